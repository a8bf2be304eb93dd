# case: softmax_rows
# fails: vectorised
# says: grows with
import torch

exec("def one_by_one(x):\n    return [(row - row.amax()).exp() for row in x]")


def softmax_rows(x):
    return torch.stack([row / row.sum() for row in one_by_one(x)])
