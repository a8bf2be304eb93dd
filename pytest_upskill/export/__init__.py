"""Turns passing kernels into complete projects for Hugging Face's kernel-builder, and builds these for the CPU."""
