# case: twice
# fails: runs
# says: raised ValueError:  *\[31mred
def twice(x):
    raise ValueError("\x1b[31mred" + "x" * 100000)
