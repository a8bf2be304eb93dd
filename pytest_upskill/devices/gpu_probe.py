"""Prints the GPUs that the machine's CUDA driver finds, as JSON. Imports nothing of ours.

Started as ``python -I -S gpu_probe.py``. The driver does not work after a fork, so the process that runs pytest must
not initialise it.
"""

import ctypes
import json

MAJOR, MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""


class Refused(Exception):
    """The driver returned an error."""


def main() -> None:
    """Print one JSON object, which has ``driver``, ``library`` and ``devices`` or, if this fails, ``error``."""
    try:
        found = look()
    except (OSError, Refused) as error:
        found = {"error": str(error)}
    print(json.dumps(found))


def look() -> "dict[str, object]":
    """The version and the path of the driver, and its devices in the order of CUDA_VISIBLE_DEVICES."""
    cuda = ctypes.CDLL("libcuda.so.1")
    version, count = ctypes.c_int(0), ctypes.c_int(0)
    check(cuda, cuda.cuDriverGetVersion(ctypes.byref(version)))
    check(cuda, cuda.cuInit(0))
    check(cuda, cuda.cuDeviceGetCount(ctypes.byref(count)))
    return {"driver": version.value, "library": loaded_from(), "devices": [device(cuda, i) for i in range(count.value)]}


def device(cuda: ctypes.CDLL, index: int) -> "dict[str, object]":
    """The name, the compute capability and the memory (bytes) of one device."""
    handle, major, minor, memory = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(0), ctypes.c_size_t(0)
    name = ctypes.create_string_buffer(256)
    check(cuda, cuda.cuDeviceGet(ctypes.byref(handle), index))
    check(cuda, cuda.cuDeviceGetName(name, 256, handle))
    check(cuda, cuda.cuDeviceGetAttribute(ctypes.byref(major), MAJOR, handle))
    check(cuda, cuda.cuDeviceGetAttribute(ctypes.byref(minor), MINOR, handle))
    check(cuda, cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), handle))
    return {"name": name.value.decode(), "capability": [major.value, minor.value], "memory": memory.value}


def check(cuda: ctypes.CDLL, code: int) -> None:
    """Raise Refused with the error's name and text if ``code`` is an error."""
    if code == 0:
        return
    name, text = ctypes.c_char_p(), ctypes.c_char_p()
    cuda.cuGetErrorName(code, ctypes.byref(name))
    cuda.cuGetErrorString(code, ctypes.byref(text))
    raise Refused(f"{(name.value or b'').decode()} ({code}): {(text.value or b'').decode()}")


def loaded_from() -> str:
    """The path of the driver's library."""
    with open("/proc/self/maps") as maps:  # noqa: PTH123
        return next((line.split()[-1] for line in maps if "/libcuda.so" in line), "")


if __name__ == "__main__":
    main()
