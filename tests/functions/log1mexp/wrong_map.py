# fails: vectorised
# map and lambda are a loop as well
import math

import torch


def log1mexp(x):
    return torch.tensor(list(map(lambda v: math.log(-math.expm1(-v)), x.tolist())), dtype=x.dtype)
