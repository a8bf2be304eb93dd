"""The process that imports torch and ``kernels`` once, and its forks, in each of which one project's build is loaded.

It is started like ``languages/python/worker.py``, and runs that module's code with another kind of kernel. The
folder in the environment variable UPSKILL_SCRATCH gets a folder for each fork, whose name no other fork can find.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - as in the worker
_PYTHON = os.path.join(os.path.dirname(_HERE), "python")  # noqa: PTH118, PTH120
sys.path[:0] = [_HERE, _PYTHON]
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
sys.dont_write_bytecode = True

import worker  # type: ignore[import-not-found]  # noqa: E402

_finder = sys.meta_path.pop(0)
import cuda_extension  # type: ignore[import-not-found]  # noqa: E402
import extension_kernel  # type: ignore[import-not-found]  # noqa: E402
import published_kernel  # type: ignore[import-not-found]  # noqa: E402

extension_kernel.prepare()
cuda_extension.prepare()
sys.meta_path.insert(0, _finder)
del sys.path[:2]

KERNELS = {
    "cpu": extension_kernel.Extension,
    "cuda": cuda_extension.CudaExtension,
    "hub": published_kernel.Published,
}
"""What a build is in a worker, by its backend."""

if __name__ == "__main__":
    worker.KERNEL = lambda plan: KERNELS[plan["entry"]["backend"]](plan)
    worker.SCRATCH = extension_kernel.hidden_folder()
    worker.main()
