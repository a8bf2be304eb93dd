import math

import torch


def log1mexp(x):
    wide = x.to(torch.float32)
    small = wide < math.log(2)
    result = torch.empty_like(wide)
    result[small] = (-(-wide[small]).expm1()).log()
    result[~small] = (-(-wide[~small]).exp()).log1p()
    return result.to(x.dtype)
