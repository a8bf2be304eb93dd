# fails: correct
# float16 on the way: exp and log1p are rounded to eleven bits each
import torch


def log1mexp(x):
    narrow = x.half()
    return torch.where(narrow < 0.7, (-torch.expm1(-narrow)).log(), torch.log1p(-torch.exp(-narrow))).to(x.dtype)
