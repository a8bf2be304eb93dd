"""Fuzz targets: a strategy, and a check that may raise only the errors of its own package.

A check that raises anything else has found a defect, and so has one that does not return (``guarded``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import strategies as st

from pytest_upskill.build import messages
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.cases.operator_schema import parse_operator
from pytest_upskill.contracts.launcher.contract import extract_kernel
from pytest_upskill.contracts.launcher.signature import Parameter, Signature, entry_source
from pytest_upskill.documents import expression
from pytest_upskill.documents.markdown import fences, lines_of, sections
from pytest_upskill.errors import CaseError, UsageError
from pytest_upskill.languages.cuda import cpu_build as host
from pytest_upskill.languages.cuda.rewrite import rewrite
from pytest_upskill.oracle.draw import parse_example
from pytest_upskill.records import (
    Assertion,
    Counterexample,
    Example,
    ItemKind,
    Outcome,
    Seconds,
    Tokens,
    Verdict,
    VerdictKind,
    WorstElement,
)
from pytest_upskill.replies.cassette import Cassette
from pytest_upskill.replies.stored_reply import Recording
from pytest_upskill.sandbox import findings
from pytest_upskill.sandbox.compute_sanitizer import parse_sanitizer
from pytest_upskill.skills.skill import validate
from pytest_upskill.students import reading
from tests.fuzz.texts import like, noise

SECONDS = 20
"""After this time a check counts as hanging; the slowest that is known takes a hundredth of it."""

ROOT = Path(__file__).resolve().parents[2]
SKILL = ROOT / "tests" / "hostile" / "skills" / "hostile"
CASES = tuple(path.read_text(encoding="utf-8") for path in sorted((SKILL / "evals").glob("*.md")))
KERNELS = tuple(
    path.read_text(encoding="utf-8")
    for path in sorted([*(ROOT / "tests" / "native").glob("*.cu"), *(ROOT / "tests" / "kernels").glob("*/right_*.cu")])
)
SIGNATURE = Signature(
    "scale",
    ("float32",),
    False,
    (
        Parameter("out", "float", "output"),
        Parameter("x", "float", "input"),
        Parameter("factor", "float", "scalar"),
        Parameter("n", "int64_t", "dim"),
        Parameter("stream", "cudaStream_t", "stream"),
    ),
)
SOURCE = re.search(r"```cuda\n(.*?)```", next(text for text in CASES if "op: scale(" in text), re.DOTALL)[1]  # type: ignore[index]
REPLIES = (
    f"Here it is.\n\n```cuda\n{SOURCE}```\n",
    f"<think>\n```cuda\n{SOURCE}```\n</think>\n1. First\n\n   ~~~cpp\n   {SOURCE}   ~~~\n",
    f"````markdown\n```cuda\n{SOURCE}```\n````\n```python\nprint(scale)\n",
)
CASE = load_case(SKILL / "evals" / "scale.md", "hostile")


@dataclass(frozen=True, slots=True)
class Target:
    """``check`` takes what ``inputs`` draws."""

    name: str
    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]


TARGETS: list[Target] = []


def target(inputs: st.SearchStrategy[Any]) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a check as a target under its own name."""

    def register(check: Callable[[Any], None]) -> Callable[[Any], None]:
        TARGETS.append(Target(check.__name__, inputs, check))
        return check

    return register


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Raise TimeoutError after SECONDS. For the main thread."""

    def too_long(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no end within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# --------------------------------------------------------------------------------------------- skills and cases


@target(like(*CASES))
def case_files(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evals" / "scale.md"
        path.parent.mkdir()
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            case = load_case(path, "hostile")
        except CaseError as error:
            assert error.path == path
            assert error.line is None or 1 <= error.line <= text.count("\n") + text.count("\r") + 1
            assert str(error)
        else:
            assert case.task.strip()


@target(like((SKILL / "SKILL.md").read_text(encoding="utf-8")))
def skill_files(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile" / "SKILL.md"
        path.parent.mkdir()
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        for problem in validate(path.parent):
            assert problem.message


@target(
    like(
        "op: scale(Tensor x, float factor) -> Tensor", "f(Tensor(a!) x, Tensor? y, *, int n=1) -> (Tensor a, Tensor b)"
    )
)
def operator_schemas(text: str) -> None:
    try:
        operator = parse_operator(text, ("n", "rows"))
    except ValueError as error:
        assert str(error)
    else:
        assert parse_operator(operator.text, ("n", "rows")) == operator


_EXPRESSIONS = ("max(rows, 2) * cols // 3 % 7", "1 <= rows < cols and not (cols == 5 or rows != 2)", "rows - -1.5e3")
_SIZES = st.integers(-3, 2**40)


@target(st.tuples(like(*_EXPRESSIONS), _SIZES, _SIZES))
def expressions(drawn: tuple[str, int, int]) -> None:
    text, rows, cols = drawn
    with contextlib.suppress(ValueError):
        parsed = expression.parse(text)
        assert expression.parse(str(parsed)) == parsed
        parsed.evaluate({"rows": rows, "cols": cols})


@target(like("n=33 seed=7", "n=1 dtype=float32 seed=616879 values=outliers"))
def examples(text: str) -> None:
    try:
        example = parse_example(text, CASE)
    except UsageError as error:
        assert str(error)
    else:
        assert parse_example(str(example), CASE) == example


# --------------------------------------------------------------------------------------------- replies and sources


@target(like(*CASES, *REPLIES))
def markdown(text: str) -> None:
    lines = lines_of(text)
    found = sections(lines)
    assert [fence for section in found for fence in section.fences] == list(fences(lines))
    assert [section.line for section in found] == sorted(section.line for section in found)
    told = sum(0 if not section.text else section.text.count("\n") + 1 for section in found) + len(found) - 1
    assert told <= len(lines)
    for fence in fences(lines):
        assert fence.opening + fence.source.count("\n") + fence.closed <= len(lines)


@target(like(*REPLIES))
def replies(text: str) -> None:
    found = extract_kernel(text, SIGNATURE)
    assert (found.kernel is None) == bool(found.problem)
    if found.kernel is not None:
        assert "scale" in found.kernel.source
        line = found.kernel.source.partition("\n")[0].strip()
        assert line in lines_of(text)[found.kernel.line - 1]


@target(like(*KERNELS))
def sources(text: str) -> None:
    try:
        rewritten = rewrite(text)
    except ValueError as error:
        assert re.match(r"kernel\.cu:\d+: ", str(error)), error
    else:
        after = rewritten.partition('#line 1 "kernel.cu"\n')[2]
        assert after.count("\n") == text.replace("\r\n", "\n").count("\n")


@target(like(SOURCE, KERNELS[0]))
def units(text: str) -> None:
    with contextlib.suppress(ValueError):
        host.translation_unit(text, entry_source(SIGNATURE))


_MESSAGES = (
    "kernel.cu:3:1: error: bad\n    3 | int x;\n      | ^\n",
    "In file included from a.h:1:\nkernel.cu(7): error: worse\n",
)


@target(like(*_MESSAGES))
def compiler_messages(text: str) -> None:
    short = messages.shorten(text, entry_source(SIGNATURE), ("::upskill::cpu::",))
    assert len(short.splitlines()) <= messages.MOST_LINES + 1 or not short.isprintable()


# --------------------------------------------------------------------------------------------- what sandboxes report


@target(like("memory\tguard\t0\t4 bytes before 'x'\nmemory\tout-of-bounds\t0x1a2b\telement 3 of 'x' <0x1a2b>\n"))
def answers(text: str) -> None:
    reported = findings.parse(text.split("\n"))
    for found in findings.located(reported, lambda places: dict.fromkeys(places, 1)):
        assert found.message.isprintable()
        assert len(found.message) < 2000
    for found in (*parse_sanitizer(text, "kernel.cu"), findings.death(len(text) % 256, text, 1 << 30)):
        assert found.message


# --------------------------------------------------------------------------------------------- what students say

_DEEP = st.sampled_from(("[" * 5000, '{"path": ' * 5000, '{"key": "a", "reply": ' + "[" * 5000))
_RECORDING = (
    '{"key": "' + "0" * 40 + '", "version": 2, "case": "scale", "arm": "skill", "trial": 1, "turn": 1, "prompt": "00", '
    '"sampler": {"model": "m", "temperature": 0.5, "max_tokens": 9, "options": {"a": [1]}}, '
    '"reply": {"text": "x", "tokens": {"input": 1, "output": 2, "cached": 0}, "cost_usd": 0.5, '
    '"details": {"read": ["a"], "timings": {"n": 1.5}, "slots": 2}}}\n'
)
_CALLS = ('{"path": "SKILL.md"}', '{"path": "../../../etc/passwd"}', '{"path": "references/../SKILL.md"}')


@target(like(*_CALLS) | _DEEP)
def tool_calls(text: str) -> None:
    files = {"SKILL.md": "the skill", "references/types.md": "types"}
    said, path = reading.answer(reading.Call("1", reading.NAME, text), files)
    assert path is None or said == files[path]


@target(like(_RECORDING, _RECORDING * 2) | _DEEP)
def cassettes(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "files.jsonl"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        found = Cassette(path)
        for one in found.recordings():
            assert Recording.from_line(one.to_line()) == one
        for number, problem in found.problems.items():
            assert problem.startswith(f"{path}:{number} ") and "\n" not in problem


# --------------------------------------------------------------------------------------------- reports

_PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), noise(20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(noise(8), inner, max_size=4)),
    max_leaves=12,
)
_EXAMPLES = st.builds(
    Example,
    dims=st.dictionaries(st.sampled_from(("rows", "cols")), st.integers(0, 2**40)),
    dtype=st.sampled_from(("float32", "int64")),
    seed=st.integers(0, 2**32 - 1),
    values=noise(8),
    scalars=st.dictionaries(st.sampled_from(("k",)), st.integers()),
)
_WORST = st.builds(
    WorstElement,
    output=noise(20),
    index=st.lists(st.integers(0), max_size=3).map(tuple),
    expected=noise(20),
    got=noise(20),
    error=st.none() | noise(20),
    bound=st.none() | noise(20),
)
_VERDICTS = st.builds(
    Verdict,
    kind=st.sampled_from(VerdictKind),
    reason=st.none() | noise(),
    assertions=st.lists(st.builds(Assertion, name=noise(20), passed=st.booleans(), message=noise()), max_size=3).map(
        tuple
    ),
    counterexample=st.none()
    | st.builds(
        Counterexample,
        assertion=noise(20),
        example=_EXAMPLES,
        message=noise(),
        worst=st.none() | _WORST,
        line=st.none() | st.integers(),
    ),
)
_OUTCOMES = st.builds(
    Outcome,
    id=noise(),
    kind=st.sampled_from(ItemKind),
    skill=noise(20),
    case=st.none() | noise(20),
    verdict=_VERDICTS,
    student=st.none() | noise(20),
    tokens=st.builds(Tokens, input=st.integers(0), output=st.integers(0), cached=st.integers(0)),
    seconds=st.builds(Seconds, reply=st.floats(0, 1e9), build=st.floats(0, 1e9), run=st.floats(0, 1e9)),
    source=st.none() | noise(),
    notes=st.lists(noise(20), max_size=2).map(tuple),
)


@target(_OUTCOMES)
def outcomes(outcome: Outcome) -> None:
    assert Outcome.from_plain(json.loads(json.dumps(outcome.to_plain()))) == outcome


_FIELDS = st.sampled_from([field.name for field in dataclasses.fields(Outcome)])


@target(st.tuples(_OUTCOMES, st.lists(st.tuples(_FIELDS, _PLAIN), min_size=1, max_size=3)))
def outcomes_of_another_shape(drawn: tuple[Outcome, list[tuple[str, Any]]]) -> None:
    outcome, changes = drawn
    with contextlib.suppress(KeyError, TypeError, ValueError):
        Outcome.from_plain({**outcome.to_plain(), **dict(changes)})
