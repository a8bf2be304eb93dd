import torch


def log1mexp(x):
    """The result is every second element of a larger tensor, and requires a gradient: both are fine."""
    wide = x.double().repeat_interleave(2).requires_grad_()
    return torch.log(-torch.expm1(-wide)).to(x.dtype)[::2]
