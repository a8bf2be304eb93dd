"""The history of a rootdir: ``.upskill/history.sqlite``, with every finished item of every run.

Only the process that reports a run writes to the history, with one transaction for each item. A killed process
therefore loses no finished item, and several runs may write at once. Replies that were paid for are also in the ledger,
which is another file.
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
"""Seconds to wait for another process's transaction, which takes a millisecond. After that, the results go
elsewhere.
"""
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
"""By version: the SQL statements that lead to the next version. They keep every item."""


_MANY_ITEMS = 5_000
"""How many items of earlier runs are loaded for a page. More items would delay the end of a run by seconds."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many items of a skill, a student and an arm ended with a verdict. A name is empty if the items have none."""

    skill: str
    student: str
    arm: str
    verdict: str
    items: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run without its items. ``origin`` is the file that the run was read from; empty for a run of this rootdir."""

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
    """The trials of a skill and a student in an A/A run: for each arm, by case, whether each decided trial passed."""

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
    """The history below ``root``, which is created if it is missing.

    Every method raises InfrastructureError if the file cannot be used.
    """

    def __init__(self, root: Path, patience: float = PATIENCE) -> None:
        self.path = path_of(root)
        with explained(self.path, "history"):
            home(root)
        self._storage = SqliteStorage(self.path, SCHEMA, VERSION, MIGRATIONS, patience, "history")
        self._brief: dict[int, StoredRun] = {}

    def begin(self, info: RunInfo, origin: str = "") -> int:
        """Enter a run and return its number. If the session was entered before, return the number that it has."""
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
        """Enter finished items of a run, in one transaction. An item replaces an earlier item with the same id."""
        rows = [(outcome, *split(outcome)) for outcome in outcomes]
        with self._storage.writing():
            for outcome, row, texts in rows:
                for digest, text in texts.items():
                    known = self._storage.execute("SELECT 1 FROM texts WHERE digest = ?", digest).fetchone()
                    if known is None:  # compressing a text takes longer than asking whether it is stored
                        self._storage.execute("INSERT INTO texts VALUES (?, ?)", digest, packed(text))
                names = (outcome.id, outcome.skill, outcome.case, outcome.student, outcome.arm)
                values = (*(_encodable(name or "") for name in names), outcome.verdict.kind.value, row)
                self._storage.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)", number, *values)

    def finish(self, number: int, info: RunInfo) -> None:
        """Replace what is known about a run as a whole."""
        with self._storage.writing():
            self._storage.execute("UPDATE runs SET info = ? WHERE number = ?", json.dumps(info.to_plain()), number)

    def numbers(self) -> list[int]:
        """The numbers of all runs, in order."""
        with self._storage.reading():
            return [int(row[0]) for row in self._storage.execute("SELECT number FROM runs ORDER BY number")]

    def latest(self) -> int:
        """Return the number of the latest run. A run that was imported from a file counts only if all runs were
        imported.
        """
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
        """Return a run with its items. Prompts, replies and kernels are loaded only if ``texts`` is true."""
        found: dict[str, str] = {}

        def whole(data: bytes) -> Outcome:
            for digest in digests_of(data) if texts else ():
                if digest not in found:
                    found[digest] = self._text(digest)
            return joined(data, found)

        return self._loaded(number, whole)

    def _loaded(self, number: int, read: Callable[[bytes], Outcome]) -> StoredRun:
        """Return a run with its items. ``read`` converts the row of an item."""
        row = self.row(number)
        with self._reading(f"run {number}"):
            rows = self._storage.execute("SELECT data FROM items WHERE run = ? ORDER BY rowid", number).fetchall()
            items = tuple(read(data) for (data,) in rows)
        ids = {item.id for item in items}
        # If the run was killed, this list is the one that was written when the run started.
        left = tuple(name for name in row.info.unreached if name not in ids)
        return StoredRun(replace(row, info=replace(row.info, unreached=left)), items)

    def brief(self, number: int) -> StoredRun:
        """Return a run with only what comparing needs of its items: names, verdicts and digests. The result is
        cached.
        """
        if number not in self._brief:
            self._brief[number] = self._loaded(number, brief)
        return self._brief[number]

    def ids(self, number: int) -> list[str]:
        """The ids of a run's items."""
        with self._storage.reading():
            rows = self._storage.execute("SELECT id FROM items WHERE run = ? ORDER BY rowid", number)
            return [str(row[0]) for row in rows]

    def item(self, number: int, item: str) -> Outcome:
        """Return an item of a run, with its texts."""
        with self._reading(f"{item} of run {number}"):
            (data,) = self._storage.execute(
                "SELECT data FROM items WHERE run = ? AND id = ?", number, _encodable(item)
            ).fetchone()
            return joined(data, {digest: self._text(digest) for digest in digests_of(data)})

    def before(self, number: int) -> int | None:
        """Return the earlier run to compare a run with: the latest one that has at least half of the run's items.

        If there is none, return the latest run that has any of these items, else None. Checks of a skill's own files do
        not count, because a self-check and a run of a student share them.
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
        """Return the runs of the same suite before this one, oldest first, as ``brief`` loads them.

        There are at most ``most`` runs. No further run is loaded once the runs have _MANY_ITEMS items.
        """
        found: list[StoredRun] = []
        before = self.before(number)
        while before is not None and len(found) < most and sum(len(run.items) for run in found) < _MANY_ITEMS:
            found.insert(0, self.brief(before))
            before = self.before(before)
        return found

    def aa_runs(self, number: int) -> list[AARun]:
        """Return the last A/A run of each skill and student before this run.

        An A/A run in which no case was decided in both arms does not count.
        """
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
        """Raise InfrastructureError for an entry that cannot be parsed."""
        with self._storage.reading():
            try:
                yield
            except (ValueError, TypeError) as error:
                where = f"{what} in {self.path} cannot be read"
                first = str(error).splitlines()[0]
                raise InfrastructureError(f"{where} ({first}); choose another run, or move the file away") from None


def _encodable(text: str) -> str:
    """Return the text without lone surrogates, which a name may contain and SQLite cannot store."""
    return text.encode("utf-8", "replace").decode("utf-8")
