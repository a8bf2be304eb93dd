"""What kernels are written in, one package per language; ``base`` has the protocols that a language implements."""
