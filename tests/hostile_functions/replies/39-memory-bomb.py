# case: twice
# fails: runs
# says: out of memory
def twice(x):
    return bytearray(1 << 34)
