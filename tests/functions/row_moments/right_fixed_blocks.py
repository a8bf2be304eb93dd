def row_moments(x):
    """A Python loop over at most eight blocks, however long the rows are."""
    wide = x.double()
    total = sum(block.sum(-1) for block in wide.chunk(8, dim=-1))
    mean = total / x.shape[-1]
    square = sum((block - mean[:, None]).square().sum(-1) for block in wide.chunk(8, dim=-1))
    return mean.float(), (square / (x.shape[-1] - 1)).float()
