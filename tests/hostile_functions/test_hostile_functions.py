"""Hostile functions get the verdicts and reasons that their files name, and leave nothing behind.

A file begins with ``# case: NAME`` and ``# fails: ASSERTION`` (the first that fails), or ``# passes``; ``# says:`` is a
regular expression for the message. ``# needs: bubblewrap``: what is tried is not prevented at weaker levels.
Numbers are rows of the catalogue in docs/trust.md.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.function.contract import Signature, derive, extract_function
from pytest_upskill.devices.choose import CpuMachine
from pytest_upskill.languages.python.language import PythonLanguage
from pytest_upskill.languages.python.server import WORKER
from pytest_upskill.oracle.explore import explore
from pytest_upskill.oracle.reference import result_dtypes, result_shapes
from pytest_upskill.records import ResultFacts
from pytest_upskill.sandbox.confinement import strongest
from tests.sampling import first_of_each

HERE = Path(__file__).resolve().parent
REPLIES = sorted((HERE / "replies").glob("*.py"))
TIMEOUT = 2.0


def kind_of(path: Path) -> tuple[str, int]:
    """Its row of the catalogue and its place: of a row with many files, about every third one is in the sample."""
    return path.name[:2], REPLIES.index(path) // 3


@functools.cache
def language() -> PythonLanguage:
    return PythonLanguage()


@functools.cache
def asked(name: str) -> tuple[Case, Signature]:
    case = load_case(HERE / "evals" / f"{name}.md", "hostile")
    return case, derive(case, ResultFacts(result_dtypes(case), result_shapes(case)))


def first_failure(name: str, source: str, examples: int = 8) -> tuple[str, str]:
    case, signature = asked(name)
    extraction = extract_function(f"```python\n{source}```\n", signature)
    assert extraction.kernel is not None, extraction.problem
    python, machine = language(), CpuMachine("cpu", strongest())
    build = python.build({python.source_name: extraction.kernel.source}, signature.entry, machine)
    with python.execute(build, signature.layout, machine, TIMEOUT) as executor:
        judgement = explore(
            case,
            signature.layout,
            executor.call,
            seed=3,
            examples=examples,
            only=None,
            repeat=executor.repeat,
            checks=python.checks,
            source_name=python.source_name,
        )
        own = executor.assertions()
        if executor.violations():
            return "contract", "; ".join(executor.violations())
    failed = [one for one in (*judgement.assertions, *own) if not one.passed]
    return (failed[0].name.partition("[")[0], failed[0].message) if failed else ("", "")


def workers() -> int:
    """Living forks of the function servers that this process started."""
    parents: dict[int, int] = {}
    found = []
    for process in filter(lambda process: process.name.isdigit(), Path("/proc").iterdir()):
        try:
            command = (process / "cmdline").read_bytes().decode().split("\0")
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if str(WORKER) in command and "bwrap" not in command[0]:
            found.append(int(process.name))

    def ours(process: int) -> bool:
        return process == os.getpid() or (process in parents and ours(parents[process]))

    return sum(map(ours, found))


@pytest.mark.parametrize("path", first_of_each(REPLIES, kind_of, lambda path: path.stem))
def test_a_reply_gets_the_verdict_that_its_file_names(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    source = path.read_text()
    fields = dict(re.findall(r"(?m)^# (case|fails|says|needs|examples): (.*)$", source))
    if fields.get("needs") == "bubblewrap" and strongest().level != "bubblewrap":
        pytest.skip("needs bubblewrap")
    name, message = first_failure(fields["case"], source, int(fields.get("examples", "8")))
    assert "harm" not in message
    assert name == fields.get("fails", ""), message
    assert ("# passes\n" in source) == (name == "")
    assert re.search(fields.get("says", ""), message), message
    assert message.isprintable() or "\n" in message
    assert len(message) < 2000


def test_no_worker_outlives_its_executor() -> None:
    first_failure("twice", "def twice(x):\n    return 2 * x\n")
    before = workers()
    assert before > 0, "the server itself is counted"
    first_failure("twice", "def twice(x):\n    return 2 * x\n")
    assert workers() == before


@pytest.mark.parametrize("source", ["-" * 100000 + "1", "(" * 10000, "x = 1" + ".real" * 50000, "[" * 90 + "\0"])
def test_sources_that_parsers_choke_on_are_refused_by_the_contract(source: str) -> None:
    extraction = extract_function(f"```python\n{source}\n# twice\n```\n", asked("twice")[1])
    assert extraction.kernel is None
    assert extraction.problem


def test_the_server_lives_on_after_a_worker_died_and_starts_again_after_its_own_death() -> None:
    assert first_failure("twice", "import os\ndef twice(x):\n    os._exit(3)\n")[0] == "runs"
    server = next(iter(language()._servers.values()))
    running = server._running
    assert first_failure("twice", "def twice(x):\n    return 2 * x\n") == ("", "")
    assert server._running is running
    assert running is not None
    os.killpg(running._process.pid, 9)
    assert first_failure("twice", "def twice(x):\n    return 2 * x\n") == ("", "")
    assert server._running is not running
