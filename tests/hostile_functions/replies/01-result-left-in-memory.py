# case: twice
# fails: correct
# says: nan|never written|off
import torch


def twice(x):
    return torch.empty_like(x)
