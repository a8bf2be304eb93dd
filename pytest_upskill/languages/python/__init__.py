"""The language ``python``: functions of torch, called in forks of a confined process that has imported torch once."""

SOURCE_NAME = "kernel.py"
"""What the source is called in messages and in tracebacks."""
