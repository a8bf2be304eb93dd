"""What kernels are written in, one package per language."""
