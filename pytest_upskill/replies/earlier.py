"""Earlier replies: stored replies to the same case, arm, trial and turn, whose question has changed since."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pytest_upskill.records import Question, Reply
from pytest_upskill.replies.ledger import Ask, Ledger
from pytest_upskill.replies.stored_reply import Label, Recording, Sampler, label_of
from pytest_upskill.students.base import StudentConfig


class EarlierReplies:
    """Finds replies that the ledger had before this session, and counts the replies that were found."""

    def __init__(self, ledger: Callable[[], Ledger]) -> None:
        self._ledger = ledger
        self._kept: Mapping[tuple[str, str, Label], Sequence[str]] | None = None
        self._turns: dict[str, set[int]] = {}
        self._reused: dict[str, set[str]] = {}

    def find(self, student: str, question: Question, key: str) -> Recording | None:
        """Return the latest usable reply to an earlier form of a question, else None. ``key`` is the question's present
        key.
        """
        if self._kept is None:
            self._kept = self._ledger().earlier_keys()
        for other in reversed(self._kept.get((student, question.skill, label_of(question)), ())):
            if other != key and (found := self._ledger().reply_of(other)) is not None:
                return found
        return None

    def count(self, item: str, turn: int) -> None:
        """Count an earlier reply to a turn of an item."""
        self._turns.setdefault(item, set()).add(turn)

    def counted(self, item: str) -> int:
        """Return how many earlier replies were counted for an item, at most one for each turn."""
        return len(self._turns.get(item, ()))

    def note_stored(self, item: str, ask: Ask, known: object) -> None:
        """Count the reply to an item's question if it was stored before this session."""
        if isinstance(known, Recording) and not ask.fresh and self._ledger().find(replace(ask, fresh=True)) is None:
            self._reused.setdefault(item, set()).add(ask.key)

    def reused(self, item: str) -> int:
        """Return how many replies to an item were stored before this session."""
        return len(self._reused.get(item, ()))


def judged_all_the_same(earlier: Recording, config: StudentConfig, question: Question) -> Reply:
    """Return the earlier reply with a note that says what has changed since."""
    note = f"judged on a kept reply, although {changes(earlier, config, question)}"
    details = earlier.reply.details
    return replace(earlier.reply, details=replace(details, note="; ".join(filter(None, (note, details.note)))))


def changes(earlier: Recording, config: StudentConfig, question: Question) -> str:
    """Return what has changed since an earlier reply, in words."""
    if earlier.prompt != question.prompt.digest:
        return "the prompt (skill, task or signature) has changed since"
    old, now = earlier.sampler, Sampler.of(config)
    names = ("model", "temperature", "max_tokens", "options", "system")
    pairs = [(name, getattr(old, name), getattr(now, name)) for name in names]
    changed = [f"{name} was {before!r} and is {after!r}" for name, before, after in pairs if before != after]
    return ", ".join(changed) or "it was recorded for a student of another name"
