"""The spending of one command. The limits apply to the sum of what teacher and student spend."""

from __future__ import annotations

import secrets
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_upskill.commands.generate.progress import Progress
from pytest_upskill.generator.open_teacher import open_teacher
from pytest_upskill.generator.teacher import Teacher
from pytest_upskill.replies.budget import spending
from pytest_upskill.replies.ledger import Ledger, Limits, Totals
from pytest_upskill.students.base import StudentConfig


class Session:
    """The session of one command. Its ledger, below ``rootdir``, is opened on first use."""

    def __init__(self, rootdir: Path, limits: Limits) -> None:
        self.rootdir, self.limits, self.name = rootdir, limits, secrets.token_hex(8)
        self._totals = Totals()
        """What had been spent when the ledger was closed."""

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.rootdir, self.name, self.limits)

    def open_teacher(self, chosen: StudentConfig | Path, subject: str, progress: Progress) -> Teacher:
        """Return the teacher, whose spending counts for this session. Raises UsageError if its key, SDK or price is
        missing.
        """
        return open_teacher(chosen, self.rootdir, self.limits, lambda: self.ledger, subject, progress.line)

    @property
    def totals(self) -> Totals:
        return self.ledger.totals() if self._is_open else self._totals

    def spent(self) -> str:
        """Return what was spent, in words; empty if nothing was asked."""
        return spending(self.totals, self.limits)

    def plain(self) -> dict[str, Any]:
        """Return what was spent, as plain data. ``usd`` is None if a price is not known."""
        totals = self.totals
        return {"answers": totals.asked, "tokens": totals.tokens, "usd": None if totals.unpriced else totals.usd}

    def close(self) -> None:
        """Close the ledger. ``totals``, ``spent`` and ``plain`` can still be used."""
        if self._is_open:
            self._totals = self.ledger.totals()
            self.ledger.close()
            del self.ledger

    @property
    def _is_open(self) -> bool:
        return "ledger" in self.__dict__
