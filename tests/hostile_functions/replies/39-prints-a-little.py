# case: twice
# passes
def twice(x):
    print("a word")
    return 2 * x
