"""``upskill-gen lint``: the same command as ``pytest-upskill lint``."""

from pytest_upskill.commands.lint import command

__all__ = ["command"]
