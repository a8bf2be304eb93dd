import torch


def row_moments(x):
    """Chan's formula on halves, in log2(cols) steps."""
    count = torch.ones_like(x, dtype=torch.float64)
    mean = x.double()
    square = torch.zeros_like(mean)
    while mean.shape[1] > 1:
        half = (mean.shape[1] + 1) // 2
        more = 2 * half - mean.shape[1]
        n, m, s = (torch.nn.functional.pad(part, (0, more)) for part in (count, mean, square))
        a, b = n[:, :half], n[:, half:]
        delta = m[:, half:] - m[:, :half]
        count = a + b
        mean = m[:, :half] + delta * b / count
        square = s[:, :half] + s[:, half:] + delta * delta * a * b / count
    return mean[:, 0].to(x.dtype), (square[:, 0] / (x.shape[1] - 1)).to(x.dtype)
