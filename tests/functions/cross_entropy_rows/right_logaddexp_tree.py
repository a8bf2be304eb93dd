import torch


def cross_entropy_rows(logits, target):
    """Halves the columns in log2(classes) steps; steps, not elements, are counted in Python."""
    wide = logits.float()
    rows = torch.arange(wide.shape[0])
    left = wide - wide[rows, target][:, None]
    while left.shape[1] > 1:
        half = (left.shape[1] + 1) // 2
        padded = torch.nn.functional.pad(left, (0, 2 * half - left.shape[1]), value=float("-inf"))
        left = torch.logaddexp(padded[:, :half], padded[:, half:])
    return left[:, 0].to(logits.dtype)
