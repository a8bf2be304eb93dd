def row_moments(x):
    shift = x[:, :1]
    near = x - shift
    middle = near.mean(-1, keepdim=True)
    var = (near - middle).square().sum(-1) / (x.shape[-1] - 1)
    return (shift + middle)[:, 0], var
