"""Reads and validates cases, which are the contents of ``evals/<case>.md``."""
