# case: twice
# fails: runs
# says: returned shape \[1, \d+\], where \[\d+\] was asked for
def twice(x):
    return (2 * x)[None]
