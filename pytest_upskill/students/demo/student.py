"""The provider ``demo``: a student behind a llama.cpp server, whose model is made for the run."""

from dataclasses import replace
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.records import Question, Reply
from pytest_upskill.students.base import Server, StudentConfig
from pytest_upskill.students.demo import LABEL
from pytest_upskill.students.demo.scripts import Scripts
from pytest_upskill.students.llama_server import LlamaServerStudent
from pytest_upskill.students.registry import require
from pytest_upskill.students.serving.broker import BrokerClient, Servers


class DemoStudent(LlamaServerStudent):
    """A student whose answers are made from the collected cases. Each reply is marked as scripted."""

    def __init__(self, config: StudentConfig, scripts: Scripts, server: Server) -> None:
        super().__init__(config, server=server)
        self._scripts = scripts

    def can_answer(self, case: Case) -> bool:
        known = self._scripts.learn(case)
        # Other answers make another model, whose name differs, so that no stored reply of this model is used for it.
        self.config = replace(self.config, model=f"{self.name}-{self._scripts.digest()[:12]}")
        return known

    def _serves(self, model: str, served: tuple[str, ...]) -> bool:
        return True

    def ask(self, question: Question, case: Case) -> Reply:
        reply = super().ask(question, case)
        return replace(reply, details=replace(reply.details, note=f"{self.name}: {LABEL}"))


def make(config: StudentConfig, root: Path, servers: Servers | BrokerClient) -> DemoStudent:
    """Return the student. Raises UsageError if a package that it needs is not installed."""
    for package in ("xllamacpp", "gguf"):
        require(config.name, package, "'pytest-upskill[llama]'")
    scripts = Scripts(root)
    return DemoStudent(config, scripts, servers.of(config.name, scripts.model))
