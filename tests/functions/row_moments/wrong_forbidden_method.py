# fails: contract
# var is forbidden as a method, too
def row_moments(x):
    return x.mean(-1), x.double().var(-1).float()
