# case: softmax_rows
# passes
import torch


def softmax_rows(x):
    return torch.log_softmax(x, -1).exp()
