"""Runs a server until its owner ends. This script imports none of our modules.

    python supervisor.py LOG COMMAND...

Standard input is a pipe from the owner. It closes when the owner closes it or is killed; the server and all its
children are then ended. If the server ends first, the supervisor ends with the server's exit status.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

PATIENCE = 3.0
"""Seconds that a server has to exit after each SIGTERM, because it may wait for its clients to disconnect."""
_PR_SET_PDEATHSIG = 1


def main(log: Path, command: list[str]) -> int:
    """Run the command until it ends or must be ended. Return the exit status."""
    terminated, terminate = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(terminate, b"."))
    with log.open("ab") as output:
        try:
            server = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=_end_with_supervisor,  # noqa: PLW1509 - there are no threads here
            )  # fmt: skip
        except OSError as error:
            output.write(f"cannot start {command[0]!r}: {error.strerror}\n".encode())
            return 127
    ended = os.pidfd_open(server.pid)
    ready, _, _ = select.select([0, terminated, ended], [], [])
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL) if ended not in ready else ():
        _kill(server.pid, number)
        if select.select([ended], [], [], PATIENCE)[0]:
            break
    status = server.wait()
    _kill(server.pid, signal.SIGKILL)  # ends processes that the server left running
    if ended not in ready:
        return 0
    return 128 - status if status < 0 else status


def _kill(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_with_supervisor() -> None:
    """Tell the kernel to kill the server when the supervisor is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
