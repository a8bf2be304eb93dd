# case: twice
# fails: correct
# says: .
def twice(x):
    return x
