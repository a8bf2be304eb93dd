"""Where kernels run: the cpu device and GPUs."""
