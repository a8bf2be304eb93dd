# case: twice
# fails: runs
# says: quantised
import torch


def twice(x):
    return torch.quantize_per_tensor(2 * x, 0.1, 0, torch.qint8)
