# case: twice
# fails: runs
# says: SIGSEGV
import ctypes


def twice(x):
    return ctypes.string_at(0)
