"""Rates, intervals and tests. Knows numbers, no outcomes."""
