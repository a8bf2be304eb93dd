"""The ledger of replies and open questions: ``.upskill/replies.sqlite``, shared by all processes of a rootdir.

A question is asked by the process that enters a claim for it; the others wait for its reply. Claims count against the
student's slots and reserve their worst case from the session's budget, all in one transaction, so that a process may be
killed between any two of them: what was entered stays, and claims of processes that have exited are given to others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_upskill.paths import HOME, home
from pytest_upskill.replies.claims import Answer, Ask, Failed, Granted, Kept, Known, Limits, Stopped, Totals
from pytest_upskill.replies.ledger_schema import MIGRATIONS, SCHEMA, VERSION
from pytest_upskill.replies.problem_log import ProblemLog
from pytest_upskill.replies.process_liveness import ProcessLiveness
from pytest_upskill.replies.sqlite_storage import SqliteStorage, explained
from pytest_upskill.replies.stored_reply import FieldError, Recording

FILE = "replies.sqlite"
MOST_FAILURES = 3
"""After this many consecutive lasting failures, a student's further questions fail immediately in this session."""
REST_SECONDS = 60.0
"""This long after the last failure, one question tries whether such a student answers again."""

_KEPT_SESSIONS_SECONDS = 7 * 86400.0


class Ledger:
    """Opens the ledger below ``root`` for one process of the session. Safe among threads and processes.

    A stored reply that cannot be used counts as missing, and is named in ``problems``. Every method raises
    InfrastructureError where the ledger cannot be read or written.
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
        with self._storage.writing():
            self._storage.execute("INSERT OR IGNORE INTO sessions (id, started) VALUES (?, ?)", (session, clock()))

    def tidy(self) -> None:
        """Forgets old sessions, and the marks of processes that have exited. Replies stay."""
        oldest = self._clock() - _KEPT_SESSIONS_SECONDS
        with self._storage.writing():
            self._liveness.sweep()
            self._storage.execute("DELETE FROM sessions WHERE started < ?", (oldest,))
            for table in ("failures", "outages"):
                self._storage.execute(f"DELETE FROM {table} WHERE session NOT IN (SELECT id FROM sessions)")

    # ------------------------------------------------------------------------------------- what is there

    def find(self, ask: Ask) -> Known | None:
        """The reply to a question, or why there is none in this session; None where it was not asked yet."""
        with self._storage.reading():
            return self._find(ask)

    def changes(self) -> int:
        """A number that is another one once another process has entered something."""
        return self._storage.changes()

    def totals(self) -> Totals:
        """What the session has done and spent, in all of its processes."""
        with self._storage.reading():
            row = self._storage.execute(
                "SELECT asked, (SELECT count(*) FROM claims WHERE session = id), "
                "(SELECT count(*) FROM failures WHERE session = id AND line = ''), builds, usd, tokens, unpriced, "
                "stopped, estimate FROM sessions WHERE id = ?",
                (self.session,),
            ).fetchone()
        return Totals(*row) if row else Totals()

    def _find(self, ask: Ask) -> Known | None:
        row = self._storage.execute("SELECT line, session FROM replies WHERE key = ?", (ask.key,)).fetchone()
        if row and (row[1] == self.session or not ask.fresh):
            recording = self._recording(ask.key, row[0])
            if recording is not None:
                return Kept(recording, row[1] == self.session)
        row = self._storage.execute(
            "SELECT line, message, lasting FROM failures WHERE session = ? AND key = ?", (self.session, ask.key)
        ).fetchone()
        if row is None:
            return None
        if not row[0]:
            return Failed(row[1], bool(row[2]))
        recording = self._recording(ask.key, row[0])
        return Kept(recording, True) if recording is not None else None

    def _recording(self, key: str, line: object) -> Recording | None:
        """The reply in a row; None, with an entry in ``problems``, where it cannot be used."""
        try:
            recording = Recording.from_line(line if isinstance(line, str) else repr(line))
            if recording.key != key:
                raise FieldError("'key' is that of another question")
        except FieldError as error:
            row = self._storage.execute("SELECT case_name, arm, trial, turn FROM replies WHERE key = ?", (key,))
            case, arm, trial, turn = (f"{value!a:.60}" for value in row.fetchone() or ("unknown",) * 4)
            self.problems.add(
                f"{self.path}: the kept reply to case {case}, arm {arm}, trial {trial}, turn {turn} is not valid: "
                f"{error}; it is not used, and asking again replaces it"
            )
            return None
        return recording

    # ------------------------------------------------------------------------------------- asking

    def claim(self, asks: Sequence[Ask], slots: int) -> Mapping[str, Answer]:
        """Goes through questions to one student, in order; the answer by key. Those without an answer have to wait.

        They wait because another process asks them, because ``slots`` questions to the student are open already, or
        because open questions may leave enough of the budget.
        """
        answers: dict[str, Answer] = {}
        with self._storage.writing():
            taken = self._claimed(asks[0].student)
            outage, rested = self._outage(asks[0].student)
            slots = 1 if outage else slots
            waits = False
            for ask in asks:
                known = self._find(ask)
                if known is not None or (outage and not rested):
                    answers[ask.key] = known or Failed(outage, lasting=True)
                elif ask.key not in taken and len(taken) < slots and not waits:
                    answer = self._within_budget(ask)
                    if isinstance(answer, Granted):
                        self._enter_claim(ask)
                        taken.add(ask.key)
                    waits = answer is None
                    answers |= {ask.key: answer} if answer else {}
        return answers

    def settle(self, ask: Ask, recording: Recording, good: bool) -> None:
        """Enters a reply in the claim's place. One that is not ``good`` is known in this session alone."""
        tokens, usd = recording.reply.tokens, recording.reply.cost_usd
        used = tokens.input + tokens.output
        with self._storage.writing():
            self._drop_claim(ask.key)
            if good:
                self._storage.execute(
                    "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (ask.key, self.session, ask.student, ask.skill, *recording.label, recording.to_line()),
                )
            else:
                self._enter_failure(ask, recording.to_line(), "", False)
            self._storage.execute("DELETE FROM outages WHERE session = ? AND student = ?", (self.session, ask.student))
            self._storage.execute(
                "UPDATE sessions SET asked = asked + 1, usd = usd + ?, tokens = tokens + ?, unpriced = unpriced + ? "
                "WHERE id = ?",
                (usd or 0.0, used, used if usd is None else 0, self.session),
            )

    def fail(self, ask: Ask, message: str, lasting: bool) -> None:
        """Enters that there is no reply; consecutive ``lasting`` failures end the asking of this student."""
        with self._storage.writing():
            self._drop_claim(ask.key)
            self._enter_failure(ask, "", message, lasting)
            if lasting:
                self._storage.execute(
                    "INSERT INTO outages VALUES (?, ?, 1, ?, ?) "
                    "ON CONFLICT DO UPDATE SET consecutive = consecutive + 1, latest = excluded.latest",
                    (self.session, ask.student, self._clock(), _encodable(message)),
                )
            else:
                self._storage.execute(
                    "DELETE FROM outages WHERE session = ? AND student = ?", (self.session, ask.student)
                )

    def release(self, ask: Ask) -> None:
        """Takes a claim back: no process waits for the reply any more."""
        with self._storage.writing():
            self._drop_claim(ask.key)

    def count_build(self) -> None:
        """One more kernel of this session was compiled, or found compiled."""
        with self._storage.writing():
            self._storage.execute("UPDATE sessions SET builds = builds + 1 WHERE id = ?", (self.session,))

    def note_estimate(self, text: str) -> None:
        """What the session may cost at most, in words, for whoever prints it."""
        with self._storage.writing():
            self._storage.execute("UPDATE sessions SET estimate = ? WHERE id = ?", (text, self.session))

    def leave(self) -> None:
        """Gives this process's claims back, and removes its mark. Replies may still be entered."""
        with self._storage.writing():
            self._storage.execute("DELETE FROM claims WHERE process = ?", (self._liveness.token,))
        self._liveness.leave()

    def close(self) -> None:
        """Closes the ledger; not while a reply may still come."""
        self._storage.close()

    # ------------------------------------------------------------------------------------- inside a transaction

    def _claimed(self, student: str) -> set[str]:
        """The keys that a living process is asking this student.

        Claims of processes that have exited are dropped, those to other students too, since they reserve part of the
        budget. What they had asked may be on the bill: their worst case is counted as spent.
        """
        rows = self._storage.execute(
            "SELECT key, CAST(ifnull(process, '') AS TEXT), session, student, CAST(ifnull(usd, 0) AS REAL), "
            "CAST(ifnull(tokens, 0) AS INTEGER) FROM claims"
        ).fetchall()
        alive = {process: self._liveness.is_alive(process) for process in {row[1] for row in rows}}
        for key, process, session, _, usd, tokens in rows:
            if not alive[process]:
                self._drop_claim(key)
                self._storage.execute(
                    "UPDATE sessions SET usd = usd + ?, tokens = tokens + ? WHERE id = ?", (usd, tokens, session)
                )
        return {key for key, process, _, asked, *_ in rows if alive[process] and asked == student}

    def _outage(self, student: str) -> tuple[str, bool]:
        """Why a student is not asked (empty where it is), and whether one question may try if it answers again."""
        row = self._storage.execute(
            "SELECT consecutive, latest, message FROM outages WHERE session = ? AND student = ?",
            (self.session, student),
        ).fetchone()
        if row is None or row[0] < MOST_FAILURES:
            return "", False
        rested = self._clock() - row[1] >= REST_SECONDS
        return f"not asked, since {row[0]} questions in a row ended like this: {row[2]}", rested

    def _within_budget(self, ask: Ask) -> Granted | Stopped | None:
        """None where open questions decide whether there is enough."""
        spent_usd, spent_tokens, stopped = self._storage.execute(
            "SELECT usd, tokens, stopped FROM sessions WHERE id = ?", (self.session,)
        ).fetchone()
        if stopped and self._is_limited(ask):
            return Stopped(stopped)
        held_usd, held_tokens, held = self._storage.execute(
            "SELECT total(usd), total(tokens), count(*) FROM claims WHERE session = ?", (self.session,)
        ).fetchone()
        reason = self._too_much(ask, spent_usd + held_usd, spent_tokens + int(held_tokens))
        if not reason:
            return Granted()
        if held:
            return None
        self._storage.execute("UPDATE sessions SET stopped = ? WHERE id = ?", (reason, self.session))
        return Stopped(reason)

    def _is_limited(self, ask: Ask) -> bool:
        return self._limits.tokens is not None or ask.usd > 0

    def _too_much(self, ask: Ask, usd: float, tokens: int) -> str:
        limits = self._limits
        if limits.usd is not None and ask.usd and not usd + ask.usd <= limits.usd:
            fits_alone = ask.usd <= limits.usd
            what = f"{in_usd(usd)} of --upskill-budget={limits.usd:g} are spent, and the next reply may cost "
            what += in_usd(ask.usd)
        elif limits.tokens is not None and not tokens + ask.tokens <= limits.tokens:
            fits_alone = ask.tokens <= limits.tokens
            what = (
                f"{tokens} of --upskill-max-tokens={limits.tokens} are spent, and the next reply may take {ask.tokens}"
            )
        else:
            return ""
        if not fits_alone:
            return f"the budget is too small: {what}; raise it"
        go_on = "the same command without --upskill-replies=live" if ask.fresh else "the same command"
        return f"the budget is used up: {what}; {go_on} goes on from here"

    def _enter_claim(self, ask: Ask) -> None:
        self._storage.execute(
            "INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)",
            (ask.key, self._liveness.token, self.session, ask.student, ask.usd, ask.tokens),
        )

    def _drop_claim(self, key: str) -> None:
        self._storage.execute("DELETE FROM claims WHERE key = ?", (key,))

    def _enter_failure(self, ask: Ask, line: str, message: str, lasting: bool) -> None:
        self._storage.execute(
            "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?)",
            (self.session, ask.key, line, _encodable(message), lasting),
        )

    # ------------------------------------------------------------------------------------- pruning

    def replies_to(self, skill: str) -> list[tuple[str, Recording]]:
        """Every kept reply to a skill's questions that can be used: student, recording."""
        with self._storage.reading():
            rows = self._storage.execute("SELECT student, key, line FROM replies WHERE skill = ?", (skill,)).fetchall()
            found = [(student, self._recording(key, line)) for student, key, line in rows]
        return [(student, recording) for student, recording in found if recording is not None]

    def forget(self, keys: Sequence[str]) -> None:
        """Removes replies for good."""
        with self._storage.writing():
            self._storage.execute_each("DELETE FROM replies WHERE key = ?", [(key,) for key in keys])


def _encodable(text: str) -> str:
    """Without half surrogate pairs, which a server may send and SQLite cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def in_usd(amount: float) -> str:
    """``$1.20``; below a dollar with four decimals."""
    return f"${amount:.4f}" if 0 < amount < 1 else f"${amount:,.2f}"
