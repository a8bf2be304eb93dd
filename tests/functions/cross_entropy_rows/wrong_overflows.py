# fails: correct
# the rows are not shifted: exp overflows in float32, and vanishes
import torch


def cross_entropy_rows(logits, target):
    wide = logits.float()
    loss = torch.log(torch.exp(wide).sum(-1)) - wide.gather(-1, target[:, None])[:, 0]
    return loss.to(logits.dtype)
