"""Confined processes: untrusted code is compiled and run in them, and nowhere else."""
