# case: twice
# fails: deterministic
# says: other bits
calls = 0


def twice(x):
    global calls
    calls += 1
    return 2 * x + (calls % 7 == 0)
