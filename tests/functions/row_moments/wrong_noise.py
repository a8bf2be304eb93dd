# fails: deterministic
# noise below the tolerance: every call gives other bits
import torch


def row_moments(x):
    wide = x.double()
    mean = wide.mean(-1, keepdim=True)
    noise = torch.randint(0, 2, (x.shape[0],)) * 2.0**-22
    var = (wide - mean).square().sum(-1) / (x.shape[-1] - 1)
    return mean[:, 0].float(), (var * (1 + noise)).float()
