# fails: correct
# the mean of the squares minus the square of the mean, in float32: nothing is left of a small variance
def row_moments(x):
    n = x.shape[-1]
    mean = x.mean(-1)
    return mean, (x.square().mean(-1) - mean.square()) * n / (n - 1)
