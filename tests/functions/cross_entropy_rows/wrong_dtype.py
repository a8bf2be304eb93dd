# fails: runs
# the result stays in float32 where bfloat16 was asked for
def cross_entropy_rows(logits, target):
    wide = logits.float()
    shifted = wide - wide.amax(-1, keepdim=True)
    return shifted.exp().sum(-1).log() - shifted.gather(-1, target[:, None])[:, 0]
