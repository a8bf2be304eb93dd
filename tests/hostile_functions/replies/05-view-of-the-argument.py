# case: twice
# fails: inputs
# says: argument 'x' was changed in place
def twice(x):
    return x.mul_(2).view(-1)
