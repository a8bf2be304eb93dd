# case: twice
# fails: runs
# says: broke the protocol
import os


def twice(x):
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, b"\0" * 8 + b'{"counts": null}')
        except OSError:
            pass
    return 2 * x
