# fails: vectorised
# a list comprehension over the elements
import math

import torch


def log1mexp(x):
    return torch.tensor([math.log(-math.expm1(-v.item())) for v in x], dtype=x.dtype)
