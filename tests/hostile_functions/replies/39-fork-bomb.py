# case: twice
# fails: runs
# says: PermissionError
import os


def twice(x):
    while True:
        os.fork()
