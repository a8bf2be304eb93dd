# case: twice
# fails: runs
# says: kernel.py:9: no answer within the limit
import torch


def twice(x):
    total = 0
    while True:
        total += 1
