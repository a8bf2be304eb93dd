# fails: vectorised
# a Python loop over the rows
import torch


def cross_entropy_rows(logits, target):
    wide = logits.float()
    out = torch.empty(wide.shape[0])
    for r in range(wide.shape[0]):
        row = wide[r] - wide[r].max()
        out[r] = row.exp().sum().log() - row[target[r]]
    return out.to(logits.dtype)
