"""Computes rates, intervals, tests, gates and flags from numbers. docs/statistics.md explains them."""
