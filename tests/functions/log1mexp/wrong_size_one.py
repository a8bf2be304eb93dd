# fails: runs
# one element raises
import torch


def log1mexp(x):
    if x.numel() < 2:
        raise ValueError(f"expected more than {x.numel()} elements")
    return torch.log(-torch.expm1(-x.double())).to(x.dtype)
