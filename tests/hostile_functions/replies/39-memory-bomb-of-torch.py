# case: twice
# fails: runs
# says: out of memory
import torch


def twice(x):
    return torch.zeros(1 << 40)
