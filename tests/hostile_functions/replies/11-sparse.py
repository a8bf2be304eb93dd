# case: twice
# fails: runs
# says: layout sparse_coo
def twice(x):
    return (2 * x).to_sparse()
