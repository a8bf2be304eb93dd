"""Keeps a server as long as whoever started it lives. A script: it imports nothing of ours.

    python supervisor.py LOG COMMAND...

Standard input is a pipe whose other end the owner holds: when it closes, because the owner is done or was killed, the
server and all its children are ended. Ends with the server's own status where that ends first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

PATIENCE = 3.0
"""Seconds that a server has to end by itself after each SIGTERM; it may wait for clients that have not left."""
_PR_SET_PDEATHSIG = 1


def main(log: Path, command: list[str]) -> int:
    """Runs the command to its end, or to ours."""
    asked, told = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(told, b"."))
    with log.open("ab") as output:
        try:
            server = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=_die_with_us,  # noqa: PLW1509 - there are no threads here
            )  # fmt: skip
        except OSError as error:
            output.write(f"cannot start {command[0]!r}: {error.strerror}\n".encode())
            return 127
    ended = os.pidfd_open(server.pid)
    ready, _, _ = select.select([0, asked, ended], [], [])
    if ended not in ready:
        _end(server, ended)
        return 0
    status = server.wait()
    _kill(server.pid, signal.SIGKILL)  # what it left running
    return 128 - status if status < 0 else status


def _end(server: subprocess.Popen[bytes], ended: int) -> None:
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        _kill(server.pid, number)
        if select.select([ended], [], [], PATIENCE)[0]:
            break
    server.wait()
    _kill(server.pid, signal.SIGKILL)


def _kill(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _die_with_us() -> None:
    """Where we are killed outright, the server goes too."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
