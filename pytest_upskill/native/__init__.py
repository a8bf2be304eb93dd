"""Native code: the driver that does a call, and the devices on which kernels run. Knows no cases and no students."""

ENTRY = "upskill_entry"
"""The function by which the driver calls a kernel, generated at the end of the student's source:
``extern "C" void upskill_entry(int instantiation, void* const* arguments, cudaStream_t stream)``."""
