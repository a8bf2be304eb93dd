# case: twice
# fails: runs
# says: printed more than the limit
def twice(x):
    while True:
        print("x" * 1000)
