# case: twice
# fails: runs
# says: PermissionError
import os


def twice(x):
    os.kill(os.getppid(), 9)
