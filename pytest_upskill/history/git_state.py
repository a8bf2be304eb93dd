"""Asks git, in the background, which commit is checked out and whether files differ from it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path


class GitState:
    """Starts git in ``folder``. ``revision`` and ``dirty`` are unknown until git has answered, and if git is not
    installed.
    """

    def __init__(self, folder: Path) -> None:
        self.revision = ""
        self.dirty: bool | None = None
        command = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch"]
        quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # a git command of the user must not find the index locked
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                command, env=quiet, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )

    def wait(self, seconds: float) -> None:
        """Wait for git's answer, but at most this many seconds."""
        if self._process is None:
            return
        process, self._process = self._process, None
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return
        lines = output.decode("utf-8", "replace").splitlines()
        commit = next((line.rpartition(" ")[2] for line in lines if line.startswith("# branch.oid ")), "")
        if process.returncode == 0 and commit not in ("", "(initial)"):
            self.revision = commit
            self.dirty = any(not line.startswith("#") for line in lines)
