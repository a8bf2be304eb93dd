# case: twice
# fails: runs
# says: kernel.py:\d+: raised SystemExit
import sys


def twice(x):
    sys.exit("fine")
