# case: twice
# fails: inputs
# says: argument 'x' was changed in place
import torch


def twice(x):
    result = 2 * x
    torch.tensor([], dtype=x.dtype).set_(x.untyped_storage()).zero_()
    return result
