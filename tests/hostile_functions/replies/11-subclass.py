# case: twice
# fails: runs
# says: returned a Sly \(a subclass of Tensor\)
import torch


class Sly(torch.Tensor):
    @property
    def shape(self):
        raise SystemExit


def twice(x):
    return (2 * x).as_subclass(Sly)
