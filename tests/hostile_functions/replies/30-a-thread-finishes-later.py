# case: twice
# fails: runs
# says: can't start new thread
import threading
import time

import torch


def twice(x):
    result = torch.zeros_like(x)

    def later():
        time.sleep(0.05)
        result.copy_(2 * x)

    threading.Thread(target=later).start()
    return result
