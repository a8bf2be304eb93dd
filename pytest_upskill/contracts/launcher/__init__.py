"""The contract ``launcher``: a host function that launches CUDA kernels on a stream."""
