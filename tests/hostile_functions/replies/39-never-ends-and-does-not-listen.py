# case: twice
# fails: runs
# says: no answer within the limit
def twice(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
