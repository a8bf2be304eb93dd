# case: twice
# fails: runs
# says: kernel.py:4: raised ModuleNotFoundError: .*only torch and Python's standard library
import numpy as np


def twice(x):
    return 2 * x
