"""Compilers, run in sandboxes, and the cache of what they build."""
