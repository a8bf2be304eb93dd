# fails: correct
# 1 - exp(-x) cancels for small x
import torch


def log1mexp(x):
    return torch.log(1 - torch.exp(-x.float())).to(x.dtype)
