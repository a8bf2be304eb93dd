# fails: vectorised
# no line of Python runs for each element, but sum() does
import math

import torch


def row_moments(x):
    n = x.shape[1]
    rows = x.tolist()
    mean = [math.fsum(row) / n for row in rows]
    square = [
        math.fsum(map(float.__mul__, row, row)) for row in (x.double() - torch.tensor(mean).double()[:, None]).tolist()
    ]
    return torch.tensor(mean), torch.tensor(square) / (n - 1)
