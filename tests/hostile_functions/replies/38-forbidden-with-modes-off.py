# case: softmax_rows
# fails: contract
# says: it calls 'softmax'
import torch
from torch.utils._python_dispatch import _disable_current_modes


def softmax_rows(x):
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        return x.softmax(-1)
