"""Students without a network, questions, and a ledger's asks, for tests of who is asked when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.records import Prompt, Question, Reply, Tokens
from pytest_upskill.replies.ledger import Ask
from pytest_upskill.replies.scheduling import Wanted
from pytest_upskill.replies.stored_reply import Recording
from pytest_upskill.students.base import Price, Student, StudentConfig

CONFIG = StudentConfig(name="pupil", provider="scripted", model="m", max_tokens=100, price=Price(1.0, 10.0, 0.1))


class ScriptedStudent(Student):
    """Calls ``answer`` with each question; an exception that it returns is raised."""

    def __init__(self, answer: Callable[[Question], Reply | Exception], config: StudentConfig = CONFIG) -> None:
        self.config = config
        self.asked: list[Question] = []
        self._answer = answer
        self._lock = threading.Lock()

    def ask(self, question: Question, case: Case) -> Reply:
        with self._lock:
            self.asked.append(question)
        answer = self._answer(question)
        if isinstance(answer, Exception):
            raise answer
        return answer


def question(name: str = "one", trial: int = 1) -> Question:
    return Question("tiny", name, "skill", trial, Prompt("be brief", f"say {name}"))


def reply(text: str = "yes", **more: object) -> Reply:
    fields = {"tokens": Tokens(10, 5), "cost_usd": 0.25, "model": "m", **more}
    return Reply(text, **fields)  # type: ignore[arg-type]


def recording(name: str = "one", text: str = "yes", trial: int = 1) -> Recording:
    return Recording.of(CONFIG, question(name, trial), reply(text))


def ask(name: str = "one", usd: float = 1.0, tokens: int = 100, fresh: bool = False) -> Ask:
    return Ask(recording(name).key, CONFIG.name, "tiny", usd, tokens, fresh)


def wanted(name: str = "one", folder: Path = Path("skills/tiny"), case: Case | None = None) -> Wanted:
    return Wanted(f"tiny::{name}", CONFIG.name, question(name), case, folder, "pytest --record")  # type: ignore[arg-type]
