# case: twice
# fails: runs
# says: returned None, where a tensor was asked for
def twice(x):
    2 * x
