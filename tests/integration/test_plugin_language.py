"""A language and a contract that a conftest.py registers: replies are tables in JSON, from a word to a number."""

from __future__ import annotations

import json
import warnings

import pytest

from pytest_upskill.contracts import registry as contracts
from pytest_upskill.languages import registry as languages
from tests.integration.conftest import BOTH

CONFTEST = '''
import json
import struct

from pytest_upskill import (
    Answer, Assertion, Build, CallLayout, Extraction, Finding, Kernel, LaunchStatistics, ScalarParameter, SourceMutant,
    TensorArgument, TensorParameter,
)
from pytest_upskill import answer_blocks


class TableExecutor:
    """Looks up each element of ``x``; the result is what the table holds for it."""

    launch_statistics = LaunchStatistics()

    def __init__(self, path):
        self.table = {float(key): float(value) for key, value in json.loads(path.read_text()).items()}

    def call(self, call):
        x = next(one for one in call.arguments if isinstance(one, TensorArgument) and one.role == "input")
        values = struct.unpack(f"{x.elements}f", bytes(x.data))
        missing = [value for value in values if value not in self.table]
        if missing:
            return Answer({}, (Finding("runs", "missing", f"the table has no {missing[0]:g}", 1),))
        return Answer({"out": struct.pack(f"{x.elements}f", *map(self.table.get, values))})

    def repeat(self, call, time):
        return self.call(call)

    def violations(self):
        return ["the table holds the number 666"] if 666.0 in self.table.values() else []

    def assertions(self):
        return [Assertion("short", len(self.table) < 20, "the table is long")]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class TableLanguage:
    name, source_name, devices, compiles = "table", "table.json", ("cpu",), False
    checks = ("runs", "correct")

    def identity(self):
        return "1"

    def build(self, sources, entry, machine, *, checked=True):
        import tempfile, pathlib
        path = pathlib.Path(tempfile.mkdtemp()) / self.source_name
        path.write_text(sources[self.source_name])
        return Build(library=path)

    def execute(self, build, layout, machine, timeout):
        return TableExecutor(build.library)

    def mutants(self, source, count, seed):
        table = json.loads(source)
        changed = {key: value + 1 for key, value in table.items()}
        return [SourceMutant("shifted", 1, "all are one more", json.dumps(changed))]

    def line_to_show(self, source, output):
        return None

    def same_code(self, original, mutant, *, in_body):
        return original.library.read_text() == mutant.library.read_text()


class TableSignature:
    entry = ""

    def __init__(self, case, dtypes):
        self.name, self.dtypes = case.op.name, dtypes
        self.layout = CallLayout(dtypes, (TensorParameter("out", "output"), TensorParameter("x", "input")))

    def for_dtypes(self, dtypes):
        return self


class LookupContract:
    name, languages, case_keys = "lookup", ("table",), ()

    def signature(self, case, results):
        return TableSignature(case, case.dtypes)

    def system_text(self):
        return "You write tables."

    def user_text(self, case, signature):
        return case.task + " Answer with a JSON object."

    def extract(self, text, signature):
        blocks = answer_blocks(text).answer
        if not blocks:
            return Extraction(None, False, "there is no table")
        kernel = Kernel(blocks[-1].source, blocks[-1].line)
        problem = self.problem({"table.json": kernel.source}, signature)
        return Extraction(None if problem else kernel, True, problem or "", kernel)

    def problem(self, sources, signature):
        try:
            json.loads("".join(sources.values()))
        except ValueError as error:
            return f"table.json:1: this is no JSON: {error}"


def pytest_upskill_language():
    return TableLanguage()


def pytest_upskill_contract():
    return [LookupContract()]
'''

CASE = """---
op: square(Tensor x) -> Tensor
language: table
contract: lookup
dims: {n: 1..40}
args:
  x: {shape: [n], values: [0, 1, 2049, 3000]}
---
A table of the squares of 0, 1, 2049 and 3000.

## Reference

```python
def square(x):
    return x * x
```

## Solution

```table
{"0": 0, "1": 1, "2049": 4198401, "3000": 9000000}
```
"""

SKILL = "---\nname: tables\ndescription: Write tables of numbers. Use when asked for a table.\n---\n\nWrite JSON.\n"

ANSWERS = {
    "right": '{"0": 0, "1": 1, "2049": 4198401, "3000": 9000000, "4": 16}',
    "wrong": '{"0": 0, "1": 1, "2049": 4198401, "3000": 9000}',
    "short": '{"0": 0, "1": 1, "2049": 4198401}',
    "broken": '{"0": 0',
    "forbidden": '{"0": 0, "1": 1, "2049": 4198401, "3000": 9000000, "4": 666}',
    "long": json.dumps({str(n): n * n for n in (*range(30), 2049, 3000)}),
}


@pytest.fixture
def tables(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with the case; what a run in this process registers is forgotten after the test."""
    for registry in (languages, contracts):
        monkeypatch.setattr(registry._registry, "_known", dict(registry._registry._known))
    folder = pytester.mkdir("tables")
    (folder / "SKILL.md").write_text(SKILL)
    (folder / "evals").mkdir()
    (folder / "evals" / "square.md").write_text(CASE)
    return pytester


def run(tables: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as in a new process; ours are errors
        return tables.runpytest_inprocess("tables", "--upskill-device=cpu", *arguments)


@BOTH
def test_a_case_in_a_registered_language_is_checked_like_any_other(tables: pytest.Pytester, workers: list[str]) -> None:
    tables.makeconftest(CONFTEST)
    result = run(tables, "--upskill", *workers)
    result.assert_outcomes(passed=3)


def test_replies_in_a_registered_language_fail_the_assertions_of_it_and_of_the_oracle(tables: pytest.Pytester) -> None:
    tables.makeconftest(CONFTEST)
    for name, answer in ANSWERS.items():
        folder = tables.path / "answers" / name / "tables"
        folder.mkdir(parents=True)
        (folder / "square.skill.md").write_text(f"```json\n{answer}\n```\n")
    students = [f"--upskill-student=files:{name}=answers/{name}" for name in ANSWERS]
    run(tables, *students, "--upskill-arms=skill", "--upskill-report=report.json")
    items = json.loads((tables.path / "report.json").read_text())["items"]
    failed = {
        item["student"]: [one["name"] for one in item["assertions"] if not one["passed"]][:1]
        for item in items
        if item["student"]
    }
    assert failed == {
        "right": [],
        "wrong": ["correct[float32]"],
        "short": ["runs"],
        "broken": ["contract"],
        "forbidden": ["contract"],
        "long": ["short"],
    }


def test_a_language_that_nobody_registered_fails_the_case_and_names_those_that_are_known(
    tables: pytest.Pytester,
) -> None:
    result = run(tables, "--upskill")
    result.stdout.fnmatch_lines(["*contract 'lookup' is not known*"])


def test_a_hook_that_returns_a_class_is_refused_with_its_name(tables: pytest.Pytester) -> None:
    tables.makeconftest("class Table:\n    name = 'table'\n\ndef pytest_upskill_language():\n    return Table\n")
    result = run(tables, "--upskill")
    result.stderr.fnmatch_lines(["*pytest_upskill_language returned the class Table*return an object*"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
