"""Turns passing kernels into projects for Hugging Face's kernel-builder, and builds such projects for the CPU."""
