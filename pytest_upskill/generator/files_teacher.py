"""A teacher that is a person or another tool: questions are written to files of a folder, and answers are read there.

The question of a step is ``<step>.prompt.md``, and its answer is ``<step>.answer.md``. The second attempt at the step
has ``<step>.attempt2.prompt.md`` and ``<step>.attempt2.answer.md``.

The question's file shows what its answer is for, so an answer is never used for another question. All attempts at a
step are for the same question, whatever was wrong with the earlier answers.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from pytest_upskill.errors import NotAnswered, StudentError, shown_path
from pytest_upskill.generator.teacher import Step
from pytest_upskill.paths import component, write_atomically
from pytest_upskill.records import Exchange, Prompt, Reply, ReplyDetails
from pytest_upskill.students.files import BINARY, decoded

PREFIX = "files:"
LARGEST = 1 << 20
"""The most bytes that are read of an answer's file. This is more than the limit on answers, so that a longer answer is
refused.
"""


class AnswerMissing(NotAnswered):
    """Raised if the question has been written to ``prompt``, but ``answer`` does not exist yet."""

    def __init__(self, prompt: Path, answer: Path) -> None:
        super().__init__(f"{shown_path(prompt)} has no answer yet; write it to {shown_path(answer)}")
        self.prompt, self.answer = prompt, answer


class FilesTeacher:
    """Reads answers from files of ``folder``, which is created if it is missing."""

    name, model = "files", ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def ask(self, step: Step) -> Future[Reply]:
        """Write the question, and return a future that is done. It has the answer if there is a file with one;
        otherwise it raises AnswerMissing.
        """
        future: Future[Reply] = Future()
        try:
            future.set_result(self._answer(step))
        except (StudentError, OSError) as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Do nothing: no question is open."""

    def _answer(self, step: Step) -> Reply:
        prompt, answer = (self.folder / f"{_stem(step)}.{kind}.md" for kind in ("prompt", "answer"))
        with self._lock:
            if answer.exists() and _holds_another(prompt, step.prompt):
                raise StudentError(_another(prompt, answer))
            write_atomically(prompt, as_text(step.prompt))
        try:
            with answer.open("rb") as file:
                data = file.read(LARGEST + 1)
        except FileNotFoundError:
            raise AnswerMissing(prompt, answer) from None
        except OSError as error:
            problem = f"{shown_path(answer)} cannot be read ({error.strerror})"
            raise StudentError(f"{problem}; an answer must be a text file that you have permission to read") from None
        text, encoding = decoded(data)
        if encoding == BINARY:
            raise StudentError(f"{shown_path(answer)} is {BINARY}; save it as plain text in UTF-8")
        note = f"{shown_path(answer)} was read as {encoding}; save it in UTF-8 if it looks wrong" if encoding else ""
        return Reply(text=text, cost_usd=0.0, details=ReplyDetails(note=note))


def _holds_another(path: Path, prompt: Prompt) -> bool:
    """Whether the file of an earlier command exists and contains another question. Differences in white space do not
    count.
    """
    try:
        earlier = path.read_bytes().decode("utf-8", "replace").split()
    except FileNotFoundError:
        return False
    question = as_text(replace(prompt, earlier=())).encode("utf-8", "replace").decode().split()
    return earlier[: len(question)] != question or earlier[len(question) :][:3] not in ([], ["#", "Answer", "1"])


def _another(prompt: Path, answer: Path) -> str:
    rule = "the task, --cases or another option differs from the earlier command"
    remedy = "repeat that command, name another folder in --teacher files:DIR, or move or delete the answer"
    same = f"if it answers the new question as well, delete {prompt.name} alone"
    problem = f"{shown_path(answer)} answers the earlier question in {shown_path(prompt)}, and another is asked now"
    return f"{problem}: {rule}; {remedy} ({same})"


def _stem(step: Step) -> str:
    return component(step.name) + (f".attempt{step.attempt}" if step.attempt > 1 else "")


def as_text(prompt: Prompt) -> str:
    """A question for a person to read, or to paste into a chat."""
    parts = [("System", prompt.system), ("Question", prompt.user)]
    for number, exchange in enumerate(prompt.earlier, 1):
        parts += [(f"Answer {number}", _quoted(exchange)), (f"What was wrong with answer {number}", exchange.told)]
    return "\n\n".join(f"# {title}\n\n{text.strip()}" for title, text in parts if text.strip()) + "\n"


def _quoted(exchange: Exchange) -> str:
    return "\n".join(f"> {line}".rstrip() for line in exchange.answer.strip().splitlines())
