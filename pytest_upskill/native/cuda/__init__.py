"""The parts of a GPU library besides the kernel: device.h for real hardware, and the linker's exports."""
