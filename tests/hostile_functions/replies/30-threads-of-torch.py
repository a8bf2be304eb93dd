# case: twice
# fails: runs
# says: ended its process|killed|raised
import torch


def twice(x):
    torch.set_num_threads(8)
    wide = x.repeat(1 << 16)
    return (wide + wide)[: x.shape[0]]
