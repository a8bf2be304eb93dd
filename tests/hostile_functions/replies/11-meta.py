# case: twice
# fails: runs
# says: device 'meta'
def twice(x):
    return x.to("meta")
