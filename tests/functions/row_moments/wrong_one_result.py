# fails: runs
# the mean is missing
def row_moments(x):
    wide = x.double()
    return (wide - wide.mean(-1, keepdim=True)).square().sum(-1).float()
