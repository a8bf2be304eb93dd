# case: twice
# fails: runs
# says: Cannot allocate memory
import mmap


def twice(x):
    held = []
    while True:
        held.append(mmap.mmap(-1, 1 << 30))
