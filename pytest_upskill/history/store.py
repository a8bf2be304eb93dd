"""The history of a rootdir: ``.upskill/history.sqlite``, with every finished item of every run.

Only the process that reports a run writes it, one transaction for each item: a killed process loses no finished item,
and several runs may write at once. Replies that were paid for are in the ledger, too, which is another file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_upskill.errors import InfrastructureError
from pytest_upskill.history.stored_item import brief, digests_of, joined, packed, split, unpacked
from pytest_upskill.paths import HOME, home
from pytest_upskill.records import Outcome, RunInfo
from pytest_upskill.replies.sqlite_storage import SqliteStorage, explained

FILE = "history.sqlite"
PATIENCE = 5.0
"""Seconds to wait for another process's transaction before the results go elsewhere; each takes a millisecond."""
VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT UNIQUE, started TEXT, origin TEXT, info TEXT
);
CREATE TABLE IF NOT EXISTS items (
    run INTEGER, id TEXT, skill TEXT, case_name TEXT, student TEXT, arm TEXT, verdict TEXT, data BLOB,
    PRIMARY KEY (run, id)
);
CREATE TABLE IF NOT EXISTS texts (digest TEXT PRIMARY KEY, data BLOB);
CREATE INDEX IF NOT EXISTS repeated ON items (run, skill, student) WHERE arm = 'repeat';
"""
MIGRATIONS: Mapping[int, str] = {}
"""By version: the statements that lead to the next one. They keep every item."""


_MANY_ITEMS = 5_000
"""Items of earlier runs that are loaded for a page; more would delay the end of a run by seconds."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many items of a skill, a student and an arm ended with a verdict; names are empty where items have none."""

    skill: str
    student: str
    arm: str
    verdict: str
    items: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run without its items. ``origin`` is the file that it was read from; empty for a run of this rootdir."""

    number: int
    origin: str
    info: RunInfo
    counts: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run with its items."""

    row: RunRow
    items: tuple[Outcome, ...] = field(repr=False)

    @property
    def info(self) -> RunInfo:
        return self.row.info

    @property
    def number(self) -> int:
        return self.row.number


@dataclass(frozen=True, slots=True)
class AARun:
    """The trials of a skill and a student in an A/A run: by case, whether each that was decided passed."""

    skill: str
    student: str
    number: int
    started: str
    sampler: Mapping[str, Any]
    skill_trials: Mapping[str, Sequence[bool]]
    repeat_trials: Mapping[str, Sequence[bool]]


def path_of(root: Path) -> Path:
    """The path of the history of a rootdir."""
    return root / HOME / FILE


class History:
    """The history below ``root``, created if it is missing.

    Every method raises InfrastructureError if the file cannot be used.
    """

    def __init__(self, root: Path, patience: float = PATIENCE) -> None:
        self.path = path_of(root)
        with explained(self.path, "history"):
            home(root)
        self._storage = SqliteStorage(self.path, SCHEMA, VERSION, MIGRATIONS, patience, "history")
        self._brief: dict[int, StoredRun] = {}

    def begin(self, info: RunInfo, origin: str = "") -> int:
        """Enter a run and return its number, which is the same for the same session."""
        values = (info.session, info.started, _encodable(origin), json.dumps(info.to_plain()))
        with self._storage.writing():
            known = self._storage.execute("SELECT number FROM runs WHERE session = ?", info.session).fetchone()
            if known is not None:
                return int(known[0])
            entered = self._storage.execute(
                "INSERT INTO runs (session, started, origin, info) VALUES (?, ?, ?, ?)", *values
            )
            return int(entered.lastrowid or 0)

    def add(self, number: int, outcomes: Sequence[Outcome]) -> None:
        """Enter finished items of a run, in one transaction. An item that is there already is replaced."""
        rows = [(outcome, *split(outcome)) for outcome in outcomes]
        with self._storage.writing():
            for outcome, row, texts in rows:
                for digest, text in texts.items():
                    known = self._storage.execute("SELECT 1 FROM texts WHERE digest = ?", digest).fetchone()
                    if known is None:  # compressing takes longer than asking
                        self._storage.execute("INSERT INTO texts VALUES (?, ?)", digest, packed(text))
                names = (outcome.id, outcome.skill, outcome.case, outcome.student, outcome.arm)
                values = (*(_encodable(name or "") for name in names), outcome.verdict.kind.value, row)
                self._storage.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)", number, *values)

    def finish(self, number: int, info: RunInfo) -> None:
        """Replace what is known of a run as a whole."""
        with self._storage.writing():
            self._storage.execute("UPDATE runs SET info = ? WHERE number = ?", json.dumps(info.to_plain()), number)

    def numbers(self) -> list[int]:
        """The numbers of all runs, in order."""
        with self._storage.reading():
            return [int(row[0]) for row in self._storage.execute("SELECT number FROM runs ORDER BY number")]

    def latest(self) -> int:
        """The number of the latest run; one that was read from a file counts only if there is no other."""
        order = "SELECT number FROM runs ORDER BY origin = '' DESC, number DESC LIMIT 1"
        with self._reading("the latest run"):
            (number,) = self._storage.execute(order).fetchone()
            return int(number)

    def row(self, number: int) -> RunRow:
        """A run without its items."""
        count = "SELECT skill, student, arm, verdict, count(*) FROM items WHERE run = ? GROUP BY 1, 2, 3, 4"
        with self._reading(f"run {number}"):
            origin, info = self._storage.execute("SELECT origin, info FROM runs WHERE number = ?", number).fetchone()
            counts = tuple(Count(*found) for found in self._storage.execute(count, number))
            return RunRow(number, origin, RunInfo.from_plain(json.loads(info)), counts)

    def load(self, number: int, texts: bool = False) -> StoredRun:
        """A run with its items: with prompts, replies and kernels only if ``texts``."""
        found: dict[str, str] = {}

        def whole(data: bytes) -> Outcome:
            for digest in digests_of(data) if texts else ():
                if digest not in found:
                    found[digest] = self._text(digest)
            return joined(data, found)

        return self._loaded(number, whole)

    def _loaded(self, number: int, read: Callable[[bytes], Outcome]) -> StoredRun:
        """A run with its items, each as ``read`` reads its row."""
        row = self.row(number)
        with self._reading(f"run {number}"):
            rows = self._storage.execute("SELECT data FROM items WHERE run = ? ORDER BY rowid", number).fetchall()
            items = tuple(read(data) for (data,) in rows)
        ids = {item.id for item in items}
        # Of a run that was killed, the list is the one that was written at its start.
        left = tuple(name for name in row.info.unreached if name not in ids)
        return StoredRun(replace(row, info=replace(row.info, unreached=left)), items)

    def brief(self, number: int) -> StoredRun:
        """A run with what comparing needs of its items: names, verdicts and digests. Kept, since it is loaded twice."""
        if number not in self._brief:
            self._brief[number] = self._loaded(number, brief)
        return self._brief[number]

    def ids(self, number: int) -> list[str]:
        """The ids of a run's items."""
        with self._storage.reading():
            rows = self._storage.execute("SELECT id FROM items WHERE run = ? ORDER BY rowid", number)
            return [str(row[0]) for row in rows]

    def item(self, number: int, item: str) -> Outcome:
        """An item of a run, with its texts."""
        with self._reading(f"{item} of run {number}"):
            (data,) = self._storage.execute(
                "SELECT data FROM items WHERE run = ? AND id = ?", number, _encodable(item)
            ).fetchone()
            return joined(data, {digest: self._text(digest) for digest in digests_of(data)})

    def before(self, number: int) -> int | None:
        """The run to compare a run with: the latest earlier one that has at least half of its items.

        If there is none: the latest that has any of them. None without such a run. The checks of a skill's own files do
        not count: a self-check and a run of a student share them.
        """
        shared = (
            "SELECT run, count(*) FROM items WHERE run < ? AND case_name IS NOT NULL AND case_name != '' "
            "AND id IN (SELECT id FROM items WHERE run = ?) GROUP BY run ORDER BY run DESC"
        )
        cases = "SELECT count(*) FROM items WHERE run = ? AND case_name IS NOT NULL AND case_name != ''"
        with self._storage.reading():
            rows = self._storage.execute(shared, number, number).fetchall()
            half = self._storage.execute(cases, number).fetchone()[0] / 2
        found = next((run for run, items in rows if items >= half), rows[0][0] if rows else None)
        return None if found is None else int(found)

    def earlier(self, number: int, most: int = 12) -> list[StoredRun]:
        """The runs of the same suite before this one, oldest first, as ``brief`` has them.

        At most ``most``, and no more once they have _MANY_ITEMS.
        """
        found: list[StoredRun] = []
        before = self.before(number)
        while before is not None and len(found) < most and sum(len(run.items) for run in found) < _MANY_ITEMS:
            found.insert(0, self.brief(before))
            before = self.before(before)
        return found

    def aa_runs(self, number: int) -> list[AARun]:
        """The last A/A run of each skill and student before this run. One that decided no case in both arms is none."""
        runs = "SELECT DISTINCT skill, student, run FROM items WHERE arm = 'repeat' AND run < ? ORDER BY run DESC"
        with self._storage.reading():
            rows = self._storage.execute(runs, number).fetchall()
        found: dict[tuple[str, str], AARun] = {}
        for skill, student, run in rows:
            if (skill, student) not in found:
                one = self._aa_run(skill, student, run)
                if one.skill_trials.keys() & one.repeat_trials.keys():
                    found[skill, student] = one
        return list(found.values())

    def _aa_run(self, skill: str, student: str, number: int) -> AARun:
        items = (
            "SELECT case_name, arm, verdict FROM items WHERE run = ? AND skill = ? AND student = ? "
            "AND arm IN ('skill', 'repeat') AND verdict IN ('passed', 'failed')"
        )
        trials: dict[str, dict[str, list[bool]]] = {"skill": {}, "repeat": {}}
        info = self.row(number).info
        with self._storage.reading():
            for case, arm, verdict in self._storage.execute(items, number, skill, student):
                trials[arm].setdefault(case, []).append(verdict == "passed")
        return AARun(skill, student, number, info.started, info.students.get(student, {}), *trials.values())

    def close(self) -> None:
        """Close the file."""
        self._storage.close()

    def _text(self, digest: str) -> str:
        row = self._storage.execute("SELECT data FROM texts WHERE digest = ?", digest).fetchone()
        return unpacked(row[0]) if row else ""

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Raises InfrastructureError for an entry that cannot be parsed."""
        with self._storage.reading():
            try:
                yield
            except (ValueError, TypeError) as error:
                where = f"{what} in {self.path} cannot be read"
                first = str(error).splitlines()[0]
                raise InfrastructureError(f"{where} ({first}); choose another run, or move the file away") from None


def _encodable(text: str) -> str:
    """The text without lone surrogates, which a name may contain and SQLite cannot store."""
    return text.encode("utf-8", "replace").decode("utf-8")
