# fails: correct
# right for large x only: exp(-x) is rounded near 1
import torch


def log1mexp(x):
    return torch.log1p(-torch.exp(-x.float())).to(x.dtype)
