"""``python -m pytest_upskill COMMAND``: finds the command, and leaves its arguments to it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run_program", "run a CUDA program on the host, and report what the cpu device sees"),
    "prune": ("prune", "remove kept and recorded replies that no case uses"),
}
"""Each command's module in this package, and what it does. A command is imported when it is called."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status; 2 where there is no such command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(_usage())
        return 0 if words else 2
    if words[0] not in _COMMANDS:
        print(f"error: no command {words[0]!r}\n{_usage()}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"pytest_upskill.commands.{_COMMANDS[words[0]][0]}")
    status: int = module.main(words[1:])
    return status


def _usage() -> str:
    lines = (f"  {name:8} {what}" for name, (_, what) in _COMMANDS.items())
    return "\n".join(["usage: python -m pytest_upskill COMMAND ...", *lines])
