# fails: runs
# a bare squeeze drops the only row, too
def cross_entropy_rows(logits, target):
    wide = logits.float()
    shifted = wide - wide.amax(-1, keepdim=True)
    return (shifted.exp().sum(-1).log() - shifted.gather(-1, target[:, None]).squeeze()).squeeze().to(logits.dtype)
