"""The ledger of replies and open questions: ``.upskill/replies.sqlite``, shared by all processes of a rootdir.

The process that enters a claim for a question asks the question; other processes wait for the reply. A claim takes one
of the student's slots and reserves the question's worst case from the session's budget, in one transaction. If a
process is killed between two transactions, its entries stay, and its claims go to other processes. Amounts are in USD
and tokens.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_upskill.paths import HOME, home
from pytest_upskill.replies.process_liveness import ProcessLiveness
from pytest_upskill.replies.sqlite_storage import SqliteStorage, explained
from pytest_upskill.replies.stored_reply import FieldError, Label, ProblemLog, Recording

FILE = "replies.sqlite"
MOST_FAILURES = 3
"""After this many lasting failures in a row, the student's remaining questions of the session fail immediately."""
REST_SECONDS = 60.0
"""Seconds after the last of these failures until one question tests whether the student answers again."""
_KEPT_SESSIONS_SECONDS = 7 * 86400.0

VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, session TEXT, student TEXT, skill TEXT, case_name TEXT, arm TEXT, trial INTEGER,
    turn INTEGER, line TEXT
);
CREATE TABLE IF NOT EXISTS claims (
    key TEXT PRIMARY KEY, process TEXT, session TEXT, student TEXT, usd REAL, tokens INTEGER
);
CREATE TABLE IF NOT EXISTS failures (
    session TEXT, key TEXT, line TEXT, message TEXT, lasting INTEGER, PRIMARY KEY (session, key)
);
CREATE TABLE IF NOT EXISTS outages (
    session TEXT, student TEXT, consecutive INTEGER, latest REAL, message TEXT, PRIMARY KEY (session, student)
);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, started REAL, asked INTEGER DEFAULT 0, builds INTEGER DEFAULT 0, usd REAL DEFAULT 0,
    tokens INTEGER DEFAULT 0, unpriced INTEGER DEFAULT 0, stopped TEXT DEFAULT '', estimate TEXT DEFAULT ''
);
"""
MIGRATIONS = {
    1: """
    ALTER TABLE claims RENAME COLUMN asker TO process;
    ALTER TABLE setbacks RENAME TO failures;
    ALTER TABLE outages RENAME COLUMN in_a_row TO consecutive
    """
}
"""By version: the SQL statements that lead to the next version. The lines of replies carry a version of their own."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget of a session; None means no limit. ``flags`` begins the names of options in messages."""

    usd: float | None = None
    tokens: int | None = None
    flags: str = "--upskill-"


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to claim, with its worst case. If ``fresh``, replies of other sessions are ignored."""

    key: str
    student: str
    skill: str
    usd: float = 0.0
    tokens: int = 0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no reply, because the question failed in this session or must not be asked."""

    message: str
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """The question must not be asked, because its reply could exceed the remaining budget of the session."""

    reason: str


@dataclass(frozen=True, slots=True)
class Granted:
    """The claim is entered. The caller asks the question, then calls ``settle``, ``fail`` or ``release``."""


Known = Recording | Failed
Answer = Known | Stopped | Granted


@dataclass(frozen=True, slots=True)
class Totals:
    """What a session has done so far. ``usd`` sums the replies with a known price; ``unpriced`` counts the tokens of
    others.
    """

    asked: int = 0
    open: int = 0
    failed: int = 0
    builds: int = 0
    usd: float = 0.0
    tokens: int = 0
    unpriced: int = 0
    stopped: str = ""
    estimate: str = ""


class Ledger:
    """The ledger below ``root``, opened for one process of a session. Safe among threads and processes.

    A stored reply that cannot be used counts as missing and is named in ``problems``. Every method raises
    InfrastructureError if the ledger cannot be read or written.
    """

    def __init__(
        self, root: Path, session: str, limits: Limits | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.session = session
        self._limits = limits or Limits()
        self._clock = clock
        self.path = root / HOME / FILE
        self.problems = ProblemLog()
        with explained(self.path):
            self._liveness = ProcessLiveness(home(root) / "askers")
        self._storage = SqliteStorage(self.path, SCHEMA, VERSION, MIGRATIONS)
        self._write("INSERT OR IGNORE INTO sessions (id, started) VALUES (?, ?)", session, clock())

    def tidy(self) -> None:
        """Remove old sessions and the lock files of processes that have exited. Replies stay."""
        with self._storage.writing():
            self._liveness.sweep()
            self._storage.execute("DELETE FROM sessions WHERE started < ?", self._clock() - _KEPT_SESSIONS_SECONDS)
            for table in ("failures", "outages"):
                self._storage.execute(f"DELETE FROM {table} WHERE session NOT IN (SELECT id FROM sessions)")

    def _row(self, statement: str, *values: object) -> Sequence[Any]:
        """Return the first row, or an empty sequence if there is none."""
        return self._storage.execute(statement, *values).fetchone() or ()

    def _write(self, statement: str, *values: object) -> None:
        with self._storage.writing():
            self._storage.execute(statement, *values)

    def find(self, ask: Ask) -> Known | None:
        """Return the reply to a question, or why it has none in this session; None if the question was not asked."""
        with self._storage.reading():
            return self._find(ask)

    def changes(self) -> int:
        """Return a number that changes when another process writes to the ledger."""
        return self._storage.changes()

    def totals(self) -> Totals:
        """Return what all processes of the session have done and spent."""
        statement = (
            "SELECT asked, (SELECT count(*) FROM claims WHERE session = id), (SELECT count(*) FROM failures WHERE "
            "session = id AND line = ''), builds, usd, tokens, unpriced, stopped, estimate FROM sessions WHERE id = ?"
        )
        with self._storage.reading():
            return Totals(*self._row(statement, self.session))

    def _find(self, ask: Ask) -> Known | None:
        row = self._row("SELECT line, session FROM replies WHERE key = ?", ask.key)
        usable = row and (row[1] == self.session or not ask.fresh)
        if usable and (recording := self._recording(ask.key, row[0])) is not None:
            return recording
        statement = "SELECT line, message, lasting FROM failures WHERE session = ? AND key = ?"
        if (row := self._row(statement, self.session, ask.key)) and not row[0]:
            return Failed(row[1], bool(row[2]))
        return self._recording(ask.key, row[0]) if row else None

    def _recording(self, key: str, line: object) -> Recording | None:
        """Return the reply in a row. If it cannot be used, add an entry to ``problems`` and return None."""
        try:
            recording = Recording.from_line(line if isinstance(line, str) else repr(line))
            if recording.key != key:
                raise FieldError("'key' is that of another question")
        except FieldError as error:
            row = self._row("SELECT case_name, arm, trial, turn FROM replies WHERE key = ?", key)
            case, arm, trial, turn = (f"{value!a:.60}" for value in row or ("unknown",) * 4)
            self.problems.add(
                f"{self.path}: the stored reply to case {case}, arm {arm}, trial {trial}, turn {turn} is not valid: "
                f"{error}; it is not used, and asking again replaces it"
            )
            return None
        return recording

    def open_questions(self) -> Mapping[str, str]:
        """Return the open requests of this session: by the key of the request, the student that it was sent to."""
        with self._storage.reading():
            rows = self._storage.execute("SELECT key, student FROM claims WHERE session = ?", self.session).fetchall()
        return {str(key): str(student) for key, student in rows}

    def claim(self, asks: Sequence[Ask], slots: int) -> Mapping[str, Answer]:
        """Return the answers, by key, to questions for one student. A question without an answer has to wait.

        A question waits if another process is asking it, if ``slots`` questions to the student are open, or if the cost
        of open questions decides whether the budget suffices.
        """
        answers: dict[str, Answer] = {}
        with self._storage.writing():
            taken = self._claimed(asks[0].student)
            outage, rested = self._outage(asks[0].student)
            slots = 1 if outage else slots
            waits = False
            for ask in asks:
                if (known := self._find(ask)) is not None or (outage and not rested):
                    answers[ask.key] = known or Failed(outage, lasting=True)
                elif ask.key not in taken and len(taken) < slots and not waits:
                    answer = self._within_budget(ask)
                    if isinstance(answer, Granted):
                        claim = (ask.key, self._liveness.token, self.session, ask.student, ask.usd, ask.tokens)
                        self._storage.execute("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", *claim)
                        taken.add(ask.key)
                    waits = answer is None
                    answers |= {ask.key: answer} if answer else {}
        return answers

    def settle(self, ask: Ask, recording: Recording, good: bool) -> None:
        """Replace the claim with its reply. A reply that is not ``good`` is kept for this session only.

        If the server counted no tokens, the reply is charged at its worst case.
        """
        tokens, usd = recording.reply.tokens, recording.reply.cost_usd
        used = tokens.input + tokens.output
        if not used:  # the server counted nothing
            used, usd = ask.tokens, ask.usd or None
        with self._storage.writing():
            self._drop_claim(ask.key)
            if good:
                row = (ask.key, self.session, ask.student, ask.skill, *recording.label, recording.to_line())
                self._storage.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)
            else:
                self._enter_failure(ask, recording.to_line(), "", False)
            self._end_outage(ask.student)
            self._storage.execute(
                "UPDATE sessions SET asked = asked + 1, usd = usd + ?, tokens = tokens + ?, unpriced = unpriced + ? "
                "WHERE id = ?",
                *(usd or 0.0, used, used if usd is None else 0, self.session),
            )

    def fail(self, ask: Ask, message: str, lasting: bool) -> None:
        """Replace the claim with a failure. After MOST_FAILURES ``lasting`` failures in a row, this student is not
        asked any more.
        """
        with self._storage.writing():
            self._drop_claim(ask.key)
            self._enter_failure(ask, "", message, lasting)
            if not lasting:
                self._end_outage(ask.student)
                return
            self._storage.execute(
                "INSERT INTO outages VALUES (?, ?, 1, ?, ?) "
                "ON CONFLICT DO UPDATE SET consecutive = consecutive + 1, latest = excluded.latest",
                *(self.session, ask.student, self._clock(), _encodable(message)),
            )

    def release(self, ask: Ask) -> None:
        """Remove a claim without a reply, because the reply is no longer wanted."""
        with self._storage.writing():
            self._drop_claim(ask.key)

    def count_build(self) -> None:
        """Count one more kernel of this session, either compiled or found in the cache."""
        self._write("UPDATE sessions SET builds = builds + 1 WHERE id = ?", self.session)

    def note_estimate(self, text: str) -> None:
        """Store the worst case of the session, in words, for the process that prints it."""
        self._write("UPDATE sessions SET estimate = ? WHERE id = ?", text, self.session)

    def leave(self) -> None:
        """Remove this process's claims and its lock file. Replies may still be entered."""
        self._write("DELETE FROM claims WHERE process = ?", self._liveness.token)
        self._liveness.leave()

    def close(self) -> None:
        """Close the file. No reply can be entered afterwards."""
        self._storage.close()

    def _claimed(self, student: str) -> set[str]:
        """Return the keys of the questions that live processes are asking this student.

        The claims of processes that have exited are dropped, for all students, because claims reserve budget. The worst
        case of such a claim counts as spent, because the provider may bill it.
        """
        amounts = "CAST(ifnull(usd, 0) AS REAL), CAST(ifnull(tokens, 0) AS INTEGER)"
        statement = f"SELECT key, CAST(ifnull(process, '') AS TEXT), session, student, {amounts} FROM claims"
        rows = self._storage.execute(statement).fetchall()
        alive = {process: self._liveness.is_alive(process) for process in {row[1] for row in rows}}
        for key, process, session, _, usd, tokens in rows:
            if not alive[process]:
                self._drop_claim(key)
                spent = "UPDATE sessions SET usd = usd + ?, tokens = tokens + ? WHERE id = ?"
                self._storage.execute(spent, usd, tokens, session)
        return {key for key, process, _, asked, *_ in rows if alive[process] and asked == student}

    def _outage(self, student: str) -> tuple[str, bool]:
        """Return why a student is not asked (empty if it is), and whether one question may test if the student answers
        again.
        """
        statement = "SELECT consecutive, latest, message FROM outages WHERE session = ? AND student = ?"
        row = self._row(statement, self.session, student)
        if not row or row[0] < MOST_FAILURES:
            return "", False
        rested = self._clock() - row[1] >= REST_SECONDS
        return f"not asked, since {row[0]} questions in a row ended like this: {row[2]}", rested

    def _end_outage(self, student: str) -> None:
        self._storage.execute("DELETE FROM outages WHERE session = ? AND student = ?", self.session, student)

    def _within_budget(self, ask: Ask) -> Granted | Stopped | None:
        """Return whether the budget suffices for a question; None if that depends on the costs of open questions."""
        spent = self._row("SELECT usd, tokens, stopped FROM sessions WHERE id = ?", self.session)
        spent_usd, spent_tokens, stopped = spent
        if stopped and (self._limits.tokens is not None or ask.usd > 0):
            return Stopped(stopped)
        totals = "SELECT total(usd), total(tokens), count(*) FROM claims WHERE session = ?"
        held_usd, held_tokens, held = self._row(totals, self.session)
        if not (reason := self._too_much(ask, spent_usd + held_usd, spent_tokens + int(held_tokens))):
            return Granted()
        if held:
            return None
        self._storage.execute("UPDATE sessions SET stopped = ? WHERE id = ?", reason, self.session)
        return Stopped(reason)

    def _too_much(self, ask: Ask, usd: float, tokens: int) -> str:
        limits = self._limits
        if limits.usd is not None and ask.usd and not usd + ask.usd <= limits.usd:
            fits_alone = ask.usd <= limits.usd
            spent = f"{in_usd(usd)} of {limits.flags}budget={limits.usd:g} are spent"
            what = f"{spent}, and the next reply may cost {in_usd(ask.usd)}"
        elif limits.tokens is not None and not tokens + ask.tokens <= limits.tokens:
            fits_alone = ask.tokens <= limits.tokens
            spent = f"{tokens} of {limits.flags}max-tokens={limits.tokens} are spent"
            what = f"{spent}, and the next reply may take {ask.tokens}"
        else:
            return ""
        if not fits_alone:
            return f"the budget is too small: {what}; raise it"
        command = "the same command without --upskill-replies=live" if ask.fresh else "the same command"
        return f"the budget is used up: {what}; {command} continues from here"

    def _drop_claim(self, key: str) -> None:
        self._storage.execute("DELETE FROM claims WHERE key = ?", key)

    def _enter_failure(self, ask: Ask, line: str, message: str, lasting: bool) -> None:
        row = (self.session, ask.key, line, _encodable(message), lasting)
        self._storage.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?)", *row)

    def earlier_keys(self) -> dict[tuple[str, str, Label], list[str]]:
        """Return the keys of the replies of earlier sessions, oldest first, by student, skill and label."""
        names = "student, skill, case_name, arm, trial, turn, key"
        found: dict[tuple[str, str, Label], list[str]] = {}
        with self._storage.reading():
            rows = self._storage.execute(
                f"SELECT {names} FROM replies WHERE session IS NOT ? ORDER BY rowid", self.session
            )
            for student, skill, case, arm, trial, turn, key in rows:
                found.setdefault((student, skill, (case, arm, trial, turn)), []).append(key)
        return found

    def reply_of(self, key: str) -> Recording | None:
        """Return the stored reply with this key, even if its question was changed; None if none can be used."""
        with self._storage.reading():
            row = self._row("SELECT line FROM replies WHERE key = ?", key)
            return self._recording(key, row[0]) if row else None

    def replies_to(self, skill: str) -> list[tuple[str, Recording]]:
        """Return student and recording of every usable reply to the questions of a skill."""
        with self._storage.reading():
            rows = self._storage.execute("SELECT student, key, line FROM replies WHERE skill = ?", skill).fetchall()
            found = [(student, self._recording(key, line)) for student, key, line in rows]
        return [(student, recording) for student, recording in found if recording is not None]

    def forget(self, keys: Sequence[str]) -> None:
        """Remove replies permanently."""
        with self._storage.writing():
            for key in keys:
                self._storage.execute("DELETE FROM replies WHERE key = ?", key)


def _encodable(text: str) -> str:
    """Return the text without lone surrogates, which a server may send and SQLite cannot store."""
    return text.encode("utf-8", "replace").decode("utf-8")


def in_usd(amount: float) -> str:
    """Return an amount such as ``$1.20``. Amounts below a dollar have four decimals."""
    return f"${amount:.4f}" if 0 < amount < 1 else f"${amount:,.2f}"
