"""The language ``python``: functions of torch, called in forks of a confined process that has imported torch once."""

SOURCE_NAME = "kernel.py"
"""The file name of the source in messages and in tracebacks."""
