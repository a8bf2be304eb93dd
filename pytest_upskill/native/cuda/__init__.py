"""What a library for a GPU is made of beside the kernel: device.h for real hardware, and the linker's exports."""
