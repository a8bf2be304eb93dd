# case: twice
# fails: runs
# says: returned a list, where a tensor was asked for
def twice(x):
    return [2 * x]
