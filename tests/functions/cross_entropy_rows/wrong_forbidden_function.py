# fails: contract
# log_softmax is forbidden, under whichever name
import torch.nn.functional as F


def cross_entropy_rows(logits, target):
    return -F.log_softmax(logits.float(), -1).gather(-1, target[:, None])[:, 0].to(logits.dtype)
