"""Finds replies, and asks students for the missing ones. No other module queries a student.

A reply is looked up in the ledger of this rootdir and in the cassette beside the skill. Missing replies are requested
in the order in which they were wanted, within each student's concurrency, which counts over all processes. A stored
reply that cannot be used counts as missing and is named in ``new_problems``; in replay mode it is an error.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import BudgetStopped, InfrastructureError, StudentError
from pytest_upskill.paths import home
from pytest_upskill.records import Question, Reply
from pytest_upskill.replies import cassette
from pytest_upskill.replies.budget import WorstCase, worst_case, worst_conversation
from pytest_upskill.replies.cassette import Cassette, UnusableReplyError
from pytest_upskill.replies.earlier import EarlierReplies, changes, judged_all_the_same
from pytest_upskill.replies.ledger import Answer, Ask, Failed, Granted, Known, Ledger
from pytest_upskill.replies.stored_reply import FieldError, ProblemLog, Recording, is_good, key_of, label_of
from pytest_upskill.students import files as reply_files
from pytest_upskill.students.base import Student, StudentConfig, is_at_hand

DEFAULT_CONCURRENCY = 4
"""How many questions per student may be open if neither the user nor the server gives a number."""
POLL_SECONDS = 0.02
"""The interval (s) at which the ledger is checked for entries of other processes."""
LIVENESS_SECONDS = 0.5
"""The interval (s) at which claims of processes that have exited are searched for."""
GRACE_SECONDS = 0.3
"""Seconds for which a run that ends at once still waits for open questions, because replies may have arrived unread."""
ENTER_SECONDS = 10.0
"""Seconds for which an ended run waits until a reply that was read is entered into the ledger, on a busy machine."""


class Mode(StrEnum):
    """The values of ``--upskill-replies``."""

    AUTO = "auto"
    LIVE = "live"
    RECORD = "record"
    REPLAY = "replay"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question to a student. ``folder`` is the skill's folder; ``record`` is the command that records the reply."""

    item: str
    student: str
    question: Question
    case: Case
    folder: Path
    record: str = ""


@dataclass(slots=True)
class _Entry:
    """A question that is queued or open, shared by all callers that want its reply."""

    wanted: Wanted
    ask: Ask
    urgent: bool = False
    reply: Future[Reply] = field(default_factory=Future)


class NotKeptError(InfrastructureError):
    """In the mode ``kept``, there is no stored reply at all."""


class Replies:
    """Returns replies as futures, which raise every failure. ``ledger`` is opened on first use.

    ``concurrency`` overrides that of students and servers. ``keeps_cut_off`` stores replies that were cut off, too.
    """

    def __init__(
        self,
        ledger: Callable[[], Ledger],
        student: Callable[[str], Student],
        rootdir: Path,
        mode: Mode = Mode.AUTO,
        concurrency: int | None = None,
        keeps_cut_off: bool = False,
    ) -> None:
        self._open_ledger, self._keeps_cut_off = ledger, keeps_cut_off
        self.student = student
        self._rootdir = rootdir
        self._mode = mode
        self._concurrency = concurrency
        self._problems = ProblemLog()
        self._cassettes: dict[Path, Cassette] = {}
        self._used: dict[Path, dict[str, Recording]] = {}
        self.earlier = EarlierReplies(lambda: self._ledger)
        self._widths: dict[str, int] = {}
        self._warming: set[str] = set()
        self._queue: dict[str, _Entry] = {}
        self._asking: dict[str, _Entry] = {}
        self._changed = threading.Condition()
        self._stirred = False
        self._closed = False
        self._dispatcher: threading.Thread | None = None
        self._askers: set[threading.Thread] = set()
        self._entering: set[threading.Thread] = set()
        self._hurried = False

    @cached_property
    def _ledger(self) -> Ledger:
        return self._open_ledger()

    def want(self, wanted: Wanted, urgent: bool = False) -> Future[Reply]:
        """Return the future reply. An ``urgent`` request, for which a caller will soon wait, goes before the others."""
        try:
            return self._want(wanted, urgent)
        except Exception as error:
            return _set(Future(), error)

    def worst_case(self, wanted: Wanted, turns: int = 1) -> tuple[StudentConfig, Sequence[WorstCase]]:
        """Return the worst case of each try of a question. The first try is left out if its reply is stored already."""
        config = self.student(wanted.student).config
        ask = self._ask_of(wanted)
        known = self._found(wanted, ask)
        self._earlier_reply(wanted, ask, known)
        tries = worst_conversation(config, wanted.question.prompt, turns)
        return config, tries if known is None else tries[1:]

    def asks(self, student: str) -> bool:
        """Return whether this student is queried. Only then, requesting its replies ahead saves time."""
        return self._mode not in (Mode.REPLAY, Mode.KEPT) and not is_at_hand(self.student(student).config)

    def width(self, student: str) -> int:
        """Return how many questions to this student may be open at once, as far as that is known by now."""
        given = self._concurrency or self.student(student).config.concurrency
        return given or self._widths.get(student, DEFAULT_CONCURRENCY)

    def outdated(self, item: str) -> int:
        """Return how many stored replies to earlier forms of an item's questions were found."""
        return self.earlier.counted(item)

    def new_problems(self) -> list[str]:
        """Return the messages since the last call about stored replies that cannot be used, each message once."""
        kept = self._ledger.problems.take() if "_ledger" in self.__dict__ else []
        return [*self._problems.take(), *kept]

    def use(self, wanted: Wanted, reply: Reply) -> None:
        """Write the text of a reply that is about to be judged to its file, and remember the reply for the cassette."""
        config = self.student(wanted.student).config
        reply_files.keep_reply(self._rootdir, config.name, wanted.question, reply)
        if self._mode is Mode.RECORD and not is_at_hand(config) and is_good(reply):
            path = cassette.cassette_path(wanted.folder, config.name)
            one = Recording.of(config, wanted.question, reply)
            self._used.setdefault(path, {})[one.key] = one

    def stop(self, at_once: bool) -> None:
        """Ask no further questions, and wait for open ones, because other workers may want their replies. If
        ``at_once``, wait only GRACE_SECONDS, for replies that may have arrived already.
        """
        with self._changed:
            self._queue.clear()
            askers = list(self._askers)
        deadline = time.monotonic() + (GRACE_SECONDS if at_once else float("inf"))
        while any(thread.is_alive() for thread in askers) and time.monotonic() < deadline:
            if self._hurried:
                deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
            time.sleep(POLL_SECONDS)
        with self._changed:
            self._closed = True
            self._stir()

    def hurry(self) -> None:
        """Limit the wait of ``stop`` as ``at_once`` does. A signal handler may call this, because it takes no lock."""
        self._hurried = True

    def close(self) -> None:
        """Enter replies that have just arrived, without waiting for others, and write the cassettes.

        Call it after closing the students. Raises OSError, or InfrastructureError for a cassette that cannot be read.
        """
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in list(self._askers):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread in self._entering:  # this thread has a whole reply
                thread.join(ENTER_SECONDS)
        if "_ledger" in self.__dict__:
            self._ledger.leave()
        for path, recordings in self._used.items():
            with FileLock(home(self._rootdir) / "cassettes.lock"):
                cassette.merge(path, recordings.values())
        self._used.clear()

    def _want(self, wanted: Wanted, urgent: bool) -> Future[Reply]:
        student = self.student(wanted.student)
        if is_at_hand(student.config):
            return _set(Future(), student.ask(wanted.question, wanted.case))
        if self._mode is Mode.REPLAY:
            return _set(Future(), self._recorded(wanted, student.config))
        ask = self._ask_of(wanted)
        known = self._found(wanted, ask)
        self.earlier.note_stored(wanted.item, ask, known)
        earlier = self._earlier_reply(wanted, ask, known)
        if self._mode is Mode.KEPT and known is None:
            return _set(Future(), self._kept(wanted, student.config, earlier))
        return self._enqueue(wanted, ask, urgent) if known is None else _set(Future(), _end_of(known))

    def _earlier_reply(self, wanted: Wanted, ask: Ask, known: Known | None) -> Recording | None:
        """Return the stored reply to an earlier form of a new question, and count it. None if there is none."""
        if self._mode is Mode.LIVE or (known is not None and self._ledger.find(replace(ask, fresh=True)) is None):
            return None
        found = self.earlier.find(wanted.student, wanted.question, ask.key)
        found = found or self._cassette(wanted).labelled(label_of(wanted.question))
        if found is None or found.key == ask.key:
            return None
        self.earlier.count(wanted.item, wanted.question.turn)
        return found

    def _kept(self, wanted: Wanted, config: StudentConfig, earlier: Recording | None) -> Reply:
        if earlier is not None:
            return judged_all_the_same(earlier, config, wanted.question)
        place = f"{self._ledger.path} nor in {self._cassette(wanted).path}"
        raise NotKeptError(f"{wanted.item}: no reply to it is kept in {place}; ask for one with: {wanted.record}")

    def _ask_of(self, wanted: Wanted) -> Ask:
        config, question = self.student(wanted.student).config, wanted.question
        worst, fresh = worst_case(config, question.prompt), self._mode is Mode.LIVE
        return Ask(key_of(config, question), config.name, question.skill, worst.usd or 0.0, worst.tokens, fresh)

    def _found(self, wanted: Wanted, ask: Ask) -> Known | None:
        if (known := self._ledger.find(ask)) is None and self._mode is not Mode.LIVE:
            try:
                return self._cassette(wanted).find(ask.key)
            except UnusableReplyError as error:
                self._problems.add(str(error))
        return known

    def _cassette(self, wanted: Wanted) -> Cassette:
        path = cassette.cassette_path(wanted.folder, wanted.student)
        if path not in self._cassettes:
            self._cassettes[path] = Cassette(path)
            for problem in self._cassettes[path].problems.values():
                self._problems.add(problem)
        return self._cassettes[path]

    def _recorded(self, wanted: Wanted, config: StudentConfig) -> Reply:
        recorded = self._cassette(wanted)
        if (recording := recorded.find(key_of(config, wanted.question))) is not None:
            return recording.reply
        old = recorded.labelled(label_of(wanted.question))
        if old is None:
            problem = f"no reply is recorded for it in {recorded.path}"
        else:
            self.earlier.count(wanted.item, wanted.question.turn)
            problem = f"the reply recorded in {recorded.path} is stale: {changes(old, config, wanted.question)}"
        raise InfrastructureError(f"{wanted.item}: {problem}; record it with: {wanted.record}")

    def _enqueue(self, wanted: Wanted, ask: Ask, urgent: bool) -> Future[Reply]:
        with self._changed:
            if self._closed:
                raise StudentError(f"student '{ask.student}': the run was ended before the question was asked")
            entry = self._queue.get(ask.key) or self._asking.get(ask.key)
            if entry is None:
                entry = self._queue[ask.key] = _Entry(wanted, ask)
            entry.urgent = entry.urgent or urgent
            if wanted.student not in self._widths and wanted.student not in self._warming:
                self._warming.add(wanted.student)
                threading.Thread(target=self._warm, args=(wanted.student,), name="upskill-warm", daemon=True).start()
            if self._dispatcher is None:
                self._dispatcher = threading.Thread(target=self._dispatch, name="upskill-replies", daemon=True)
                self._dispatcher.start()
            self._stir()
            return entry.reply

    def _stir(self) -> None:
        self._stirred = True
        self._changed.notify_all()

    def _dispatch(self) -> None:
        """Start all questions that can be asked, whenever something changes here or in another process."""
        seen, idle = -1, 0.0
        while not self._closed:
            with self._changed:
                if not self._stirred:
                    self._changed.wait(POLL_SECONDS if self._queue else None)
                stirred, self._stirred = self._stirred, False
            if self._closed or not self._queue:
                continue
            try:
                changes = self._ledger.changes()
                idle = 0.0 if stirred or changes != seen else idle + POLL_SECONDS
                if idle == 0.0 or idle >= LIVENESS_SECONDS:
                    idle = 0.0
                    self._start_all()
                seen = changes
            except Exception as error:  # if the dispatcher ended here, every caller would wait forever
                with self._changed:
                    entries, self._queue = self._queue, {}
                for entry in entries.values():
                    entry.reply.set_exception(error)

    def _start_all(self) -> None:
        with self._changed:
            waiting: dict[str, list[Ask]] = {}
            for entry in sorted(self._queue.values(), key=lambda entry: not entry.urgent):
                if entry.ask.student in self._widths:  # a student without a width is still warming up
                    waiting.setdefault(entry.ask.student, []).append(entry.ask)
        for student, asks in waiting.items():
            for key, answer in self._ledger.claim(asks, self.width(student)).items():
                self._answered(key, answer)

    def _answered(self, key: str, answer: Answer) -> None:
        with self._changed:
            entry = self._queue.get(key)
            if entry is None:  # the run has ended meanwhile, and leaving the ledger drops the claim
                return
            if isinstance(answer, Granted):
                thread = threading.Thread(target=self._ask, args=(entry,), name=f"upskill-ask-{key[:8]}", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the system has no more threads, so the dispatcher refuses the whole queue
                    self._ledger.release(entry.ask)
                    raise
                self._askers.add(thread)
                self._asking[key] = entry
            del self._queue[key]
        if not isinstance(answer, Granted):
            _set(entry.reply, _end_of(answer))

    def _ask(self, entry: _Entry) -> None:
        end = self._asked(entry.wanted)
        if isinstance(end, Reply):
            self._entering.add(threading.current_thread())
        entered = True
        try:
            self._enter(entry, end)
        except Exception as error:
            end, entered = error, False
        with self._changed:
            if entered:  # if not, the claim stays, and a later caller must get this failure instead of waiting
                self._asking.pop(entry.ask.key, None)
            self._askers.discard(threading.current_thread())
            self._stir()
        _set(entry.reply, end)

    def _asked(self, wanted: Wanted) -> Reply | Exception:
        student = self.student(wanted.student)
        try:
            reply = student.ask(wanted.question, wanted.case)
            Recording.from_line(Recording.of(student.config, wanted.question, reply).to_line())
        except FieldError as error:
            return StudentError(f"student '{student.name}' gave a reply that cannot be kept: {error}; see its provider")
        except Exception as error:
            return error
        return reply

    def _enter(self, entry: _Entry, end: Reply | Exception) -> None:
        """Enter the reply or the failure of a question into the ledger. Raises InfrastructureError if that fails."""
        ask, wanted = entry.ask, entry.wanted
        if isinstance(end, Reply):
            found = Recording.of(self.student(wanted.student).config, wanted.question, end)
            self._ledger.settle(ask, found, self._keeps_cut_off or is_good(end))
        elif self._closed:
            self._ledger.release(ask)
        else:
            message = str(end) if isinstance(end, InfrastructureError) else f"unexpected {type(end).__name__}: {end}"
            self._ledger.fail(ask, message, getattr(end, "lasting", False))

    def _warm(self, name: str) -> None:
        """Start a student before its first question takes a slot: only then is its number of slots known."""
        slots = None
        with contextlib.suppress(Exception):  # the error is shown when a question is asked
            slots = self.student(name).slots()
        with self._changed:
            self._widths[name] = slots or DEFAULT_CONCURRENCY
            self._stir()


def _end_of(answer: Answer) -> Reply | Exception:
    if isinstance(answer, Recording):
        return answer.reply
    if isinstance(answer, Failed):
        return StudentError(answer.message, answer.lasting)
    assert not isinstance(answer, Granted), "a question that is asked has not ended"
    return BudgetStopped(answer.reason)


def _set(future: Future[Reply], end: Reply | Exception) -> Future[Reply]:
    if isinstance(end, Reply):
        future.set_result(end)
    else:
        future.set_exception(end)
    return future
