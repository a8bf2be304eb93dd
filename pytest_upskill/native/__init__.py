"""Native code: the driver, which makes calls, and the devices on which kernels run."""

ENTRY = "upskill_entry"
"""The function through which the driver calls a kernel, generated at the end of the student's source:
``extern "C" void upskill_entry(int instantiation, void* const* arguments, cudaStream_t stream)``."""

BEGIN = "upskill_begin"
"""The function that the loader calls before the constructors of a kernel's library on the cpu device (begin.cpp)."""
