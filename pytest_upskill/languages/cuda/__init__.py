"""CUDA C++: parsing, building for the cpu and cuda devices, mutants, symbol policy."""
