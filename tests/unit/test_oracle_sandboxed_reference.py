"""Untrusted references in their sandbox: the same bits and messages as in this process, and no way out of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from pytest_upskill.case_quality import quality
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.launcher.signature import derive
from pytest_upskill.errors import CaseError
from pytest_upskill.judging.signatures import language_of
from pytest_upskill.oracle.explore import Judgement, explore
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import GivenUp, Preparation, Prepared
from pytest_upskill.oracle.reference import result_dtypes, result_shapes, smallest_example
from pytest_upskill.oracle.reference_process import ReferenceLimits, ReferenceProcess, hides_enough
from pytest_upskill.oracle.reference_runner import ReferenceRunner, in_a_sandbox
from pytest_upskill.oracle.sandboxed_reference import SandboxedReference
from pytest_upskill.records import CallLayout, Example, ScalarParameter, TensorArgument, TensorParameter
from pytest_upskill.sandbox import confinement as confine
from pytest_upskill.sandbox.message_process import ByteStreamProcess
from tests.sampling import every
from tests.unit.oracle_kernels import kernel, make_case, signature_of

ROOT = Path(__file__).parents[2]
SKILL = ROOT / "skills" / "cuda-kernels" / "evals"
LANDLOCK = confine.Confinement("kernel", parts=("landlock", "filter"))
FOUND = [confine.strongest(), confine.find(None), *([LANDLOCK] if "landlock" in confine.find(None).parts else [])]
LEVELS = [found for found in FOUND if hides_enough(found)]
"""The levels of this machine that hide files and the network."""

pytestmark = pytest.mark.skipif(not LEVELS, reason=f"untrusted references are refused here: {confine.find(None)}")

LIMITS = ReferenceLimits(seconds=30.0, memory=1 << 30, output_bytes=100_000)
FRONT = "dims:\n  n: 1..64\nargs:\n  x: [n]\n"
OP = "f(Tensor x) -> Tensor"
LAYOUT = CallLayout(
    ("float32",),
    (TensorParameter("x", "input"), TensorParameter("out", "output"), ScalarParameter("n", "int", dim=True)),
)


def untrusted(case: Case) -> ReferenceRunner:
    return in_a_sandbox(LEVELS[0])(case)


def facts_of(found: Prepared | GivenUp) -> object:
    """Everything in it that can be compared, tensors as bytes."""
    if isinstance(found, GivenUp):
        return found
    arguments = [
        (one.name, one.role, one.dtype, one.shape, None if one.data is None else bytes(one.data))
        if isinstance(one, TensorArgument)
        else one
        for one in found.call.arguments
    ]
    expected = [
        (one.name, one.dtype, one.shape, bits(one.gold), None if one.bound is None else bits(one.bound))
        for one in found.expected
    ]
    return found.example, found.call.instantiation, arguments, expected, found.unsure


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def examples_of(case: Case) -> Iterator[Example]:
    """A small and a larger one of every dtype, of several families."""
    for dtype in case.dtypes:
        smallest = smallest_example(case, dtype)
        yield smallest
        for seed, family in ((3, "outliers"), (4, "integers")):
            dims = {name: size * 8 if size < 8 else size for name, size in smallest.dims.items()}
            yield dataclasses.replace(smallest, dims=dims, seed=seed, values=family if smallest.values else "")


@pytest.mark.parametrize("name", every(3, ["softmax", "cross_entropy", "masked_fill", "adamw_step", "max_pool2d"], str))
def test_calls_gold_and_bounds_are_those_of_this_process_bit_for_bit(name: str) -> None:
    assert compare(load_case(SKILL / f"{name}.md", "cuda-kernels"))


def test_numbers_that_are_none_are_the_same_on_both_sides(tmp_path: Path) -> None:
    front = "dims:\n  n: 1..64\nargs:\n  x: {shape: [n], values: wild}\n  y: [n]\ndtypes: [float64, float32]\n"
    inputs = """
        def inputs(generator, dtype, n):
            y = torch.rand(n, generator=generator, dtype=torch.float64).to(dtype)
            y[::2] = torch.nan
            return {"y": y}
    """
    op = "f(Tensor x, Tensor y) -> (Tensor out, Tensor first)"
    judged = compare(make_case(tmp_path, op, front, "def f(x, y):\n    return x / y, y.isnan()", inputs))
    assert any(one.expected[0].gold.isnan().any() for one in judged)


def compare(case: Case) -> list[Prepared]:
    """Both forms of a runner give the same, for examples of every dtype; returns those that can be judged."""
    judged: list[Prepared] = []
    here, there = Preparation(case), SandboxedReference(case, ReferenceProcess(LEVELS[0]))
    with closing(there), isolated():
        assert here.results() == there.results()
        here.layout = there.layout = signature_of(case).layout
        assert here.outputs == there.outputs
        assert [here.linear(dtype) for dtype in case.dtypes] == [there.linear(dtype) for dtype in case.dtypes]
        for example in examples_of(case):
            prepared = here.prepare(example)
            assert facts_of(prepared) == facts_of(there.prepare(example)), example
            if isinstance(prepared, Prepared):
                judged.append(prepared)
                ours, theirs = here.other_results(prepared.example), there.other_results(prepared.example)
                assert {name: bits(value) for name, value in ours.items()} == {
                    name: bits(value) for name, value in theirs.items()
                }
                mutants = [mutated(runner, prepared.example) for runner in (here, there)]
                assert mutants[0] == mutants[1]
    return judged


def mutated(runner: ReferenceRunner, example: Example, skip: frozenset[str] = frozenset()) -> dict[str, object]:
    """What each mutant of the reference gives, tensors as bytes."""
    return {
        one.name: (one.said, one.outputs and {name: bits(value) for name, value in one.outputs.items()})
        for one in runner.mutated_runs(example, skip)
    }


def test_mutants_of_a_reference_are_the_same_there_also_after_another_example_and_without_those_that_are_skipped(
    tmp_path: Path,
) -> None:
    reference = "def f(x):\n    return (x.amax(-1, keepdim=True) + 0.5).clamp(min=0).sqrt() * x.argmax(-1)"
    case = make_case(tmp_path, OP, FRONT, reference)
    here, there = Preparation(case, LAYOUT), untrusted(case)
    examples = [Example({"n": 40}, "float32", seed, family) for seed, family in ((1, "one_sign"), (2, "equal"))]
    with closing(there), isolated():
        there.layout = LAYOUT
        for runner in (here, there):
            assert all(isinstance(runner.prepare(one), Prepared) for one in examples)
        for example in examples:
            found = mutated(here, example)
            assert found == mutated(there, example)
            assert {"maximum from 0", "ties", "constant 0"} <= found.keys()
            left = mutated(there, example, frozenset({"ties"}))
            assert left == {name: one for name, one in found.items() if name != "ties"}


@pytest.mark.full
def test_mutants_of_a_reference_give_the_same_advice_in_a_sandbox(tmp_path: Path) -> None:
    for values in ("0.0..1.0", "-9.0..9.0"):
        front = f"dims: {{n: 1..90}}\nargs:\n  x: {{shape: [n], values: {values}}}\n"
        case = make_case(tmp_path, OP, front, "def f(x):\n    return x.cummax(0).values")
        subject = Subject(case, language_of(case), signature_of(case))
        found = [quality.check(subject, None, None, 1 << 14, open_runner=one) for one in (Preparation, untrusted)]
        assert found[0] == found[1]
        assert found[0].problem is None and any("its maximum at" in one for one in found[0].advice)


def test_whole_exploration_comes_to_the_same_judgement_and_counterexample(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, FRONT + "dtypes: [float32, float16]\n", "def f(x):\n    return x.cumsum(0)")
    layout = signature_of(case).layout

    def wrong(values: dict[str, object]) -> torch.Tensor:
        x = values["x"]
        assert isinstance(x, torch.Tensor)
        return torch.cat([x[:20].cumsum(0), x[20:]])

    def judged(runner: ReferenceRunner | None) -> Judgement:
        return explore(case, layout, kernel(wrong), seed=5, examples=8, only=None, runner=runner)

    with closing(untrusted(case)) as runner:
        there = judged(runner)
    assert there == judged(None)
    assert there.counterexample is not None


BROKEN = """
    def f(x):
        n = len(x)
        if n == 2:
            raise ValueError("two of them")
        if n == 3:
            return x, x
        if n == 4:
            return "text"
        if n == 5:
            x += 1
        if n == 6:
            import sys
            sys.exit(3)
        if n == 7:
            return x.to(torch.complex64)
        if n == 8:
            return x.sum() if x.dtype == torch.float32 else x
        if n == 9:
            return x * torch.nan
        if n == 10:
            return torch.rand(10)
        if n == 11:
            return x.expand(1 << 40, 11)
        return x * 2
"""


def outcome(runner: ReferenceRunner, n: int) -> object:
    try:
        with isolated():
            return facts_of(runner.prepare(Example({"n": n}, "float32", 1)))
    except CaseError as error:
        return error.message, error.path, error.line


def test_what_a_reference_does_wrong_is_told_in_the_same_words_at_the_same_line(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, FRONT, BROKEN)
    layout = signature_of(case).layout
    with closing(untrusted(case)) as there:
        there.layout = layout
        for n in range(1, 11):
            assert outcome(there, n) == outcome(Preparation(case, layout), n)
        assert "two of them" in str(outcome(there, 2))
        assert "memory" in str(outcome(there, 11))


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("def f(x):\n    return x\n1 / 0", "while it was loaded"),
        ("def f(x):\n    return x\nf = 3", "must define a function"),
    ],
)
def test_reference_that_does_not_load_is_told_in_the_same_words(tmp_path: Path, reference: str, what: str) -> None:
    case = make_case(tmp_path, OP, FRONT, reference)
    with pytest.raises(CaseError, match=what) as here:
        Preparation(case).results()
    with closing(untrusted(case)) as runner, pytest.raises(CaseError, match=what) as there:
        runner.results()
    assert (here.value.message, here.value.line) == (there.value.message, there.value.line)


# ------------------------------------------------------------------------------------------- attempts to get out

ATTEMPTS = {
    2: "open('/etc/passwd').read()",
    3: "open(HOME + '/.bashrc').read()",
    4: "open(ROOT + '/pyproject.toml').read()",
    5: "open(CASE).read()",
    6: "open(SECRET).read()",
    7: "socket.socket()",
    8: "socket.create_connection(('127.0.0.1', 80), 1)",
    9: "os.fork()",
    10: "subprocess.run(['/bin/true'])",
    11: "os.execv('/bin/sh', ['sh', '-c', 'exit 0'])",
    12: "open('/tmp/left', 'w')",
    13: "open(os.path.dirname(torch.__file__) + '/left', 'w')",
    14: "os.kill(os.getppid(), 9)",
    15: "os.killpg(0, 9)",
    16: "os.kill(1, 9)",
    17: "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    18: "os.memfd_create('left')",
    19: "os.unlink('/tmp')",
    20: "bytearray(32 << 30)",
    21: "torch.empty(1 << 34)",
    22: "[torch.empty(1 << 26) for _ in range(1 << 20)]",
    23: "os.rename('/tmp', '/left')",
}
"""By the size on which each is made; all must raise."""

LOOKS = {
    40: "sorted(os.environ)",
    41: "os.getcwd()",
    42: "len([name for name in os.listdir('/proc') if name.isdigit()])",
    43: "sorted(name for name in sys.modules if name.startswith('hypothesis'))",
    44: "open('/proc/self/environ').read()",
}


def prisoner(folder: Path) -> Case:
    (folder / "secret").write_text("key")
    places = {"HOME": Path.home(), "CASE": folder / "f.md", "ROOT": ROOT, "SECRET": folder / "secret"}
    lines = ["import os, resource, socket, subprocess, sys", *(f"{key} = {str(at)!r}" for key, at in places.items())]
    lines += ["def f(x):", "    n = len(x)"]
    for n, attempt in ATTEMPTS.items():
        lines += [f"    if n == {n}:", f"        {attempt}"]
    for n, look in LOOKS.items():
        lines += [f"    if n == {n}:", f"        raise ValueError(repr({look}))"]
    return make_case(folder, OP, FRONT, "\n".join([*lines, "    return x * 2"]))


@pytest.mark.parametrize("level", every(2, LEVELS, lambda level: " ".join((level.level, *level.parts))))
def test_no_file_no_network_no_process_no_memory_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: confine.Confinement
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    case = prisoner(tmp_path)
    runner = SandboxedReference(case, ReferenceProcess(level, LIMITS))
    with closing(runner):
        runner.layout = LAYOUT
        for n, attempt in ATTEMPTS.items():
            told = outcome(runner, n)
            assert isinstance(told, tuple)
            assert "the reference raised " in str(told[0]), attempt
        seen = {n: str(outcome(runner, n)) for n in LOOKS}
        assert runner._ended == 0  # the same process all along
    assert "sk-secret" not in str(seen)
    assert "OPENAI_API_KEY" not in str(seen)
    assert str(Path.home()) not in seen[40]
    assert "ValueError: [] " in seen[43]
    assert "landlock" in level.parts or re.search(r"ValueError: '?[1-7]'? ", seen[42])


def faulty(case: Case, limits: ReferenceLimits = LIMITS, n: int = 2) -> CaseError:
    """The error that an example of this size comes to."""
    runner = SandboxedReference(case, ReferenceProcess(LEVELS[0], limits))
    with closing(runner), pytest.raises(CaseError) as caught, isolated():
        runner.layout = LAYOUT
        runner.prepare(Example({"n": n}, "float32", 1))
    assert caught.value.path == case.path
    return caught.value


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("while True:\n    pass\ndef f(x):\n    return x", id="when it is loaded", marks=pytest.mark.full),
        pytest.param("def f(x):\n    while True:\n        pass", id="in a call"),
    ],
)
def test_endless_loop_is_the_cases_fault(tmp_path: Path, reference: str) -> None:
    error = faulty(make_case(tmp_path, OP, FRONT, reference), dataclasses.replace(LIMITS, seconds=1.0))
    assert error.message.startswith("case 'f': the reference did not finish within 1 s (on n=2 dtype=float32 seed=1")


def test_output_without_end_is_the_cases_fault(tmp_path: Path) -> None:
    reference = "def f(x):\n    while True:\n        print('x' * 1000)"
    assert "printed more than the limit of 100000 bytes" in faulty(make_case(tmp_path, OP, FRONT, reference)).message


def test_process_that_the_reference_ends_is_the_cases_fault(tmp_path: Path) -> None:
    error = faulty(make_case(tmp_path, OP, FRONT, "import os\ndef f(x):\n    os._exit(0)"))
    assert "ended its process twice, with exit status 0 (on n=2 " in error.message


REPLACED = """
    import json
    json.dumps = lambda *given, **more: (
        '{"unsure": false, "scalars": {}, "exact": [["", false]], "unmodelled": [], "tensors": [["float32", [2]]]}'
    )
    torch.Tensor.reshape = lambda *given: torch.ones(7)
    def f(x):
        return x * 2
"""


def test_replacing_what_answers_gives_nonsense_at_most(tmp_path: Path) -> None:
    error = faulty(make_case(tmp_path, OP, FRONT, REPLACED), dataclasses.replace(LIMITS, seconds=3.0))
    assert "gave an answer that cannot be used" in error.message or "did not finish" in error.message


ANSWERS_AT_ONCE = """
    import os
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, bytes(16) + (2).to_bytes(4, "little") + b"{}")
        except OSError:
            pass
    def f(x):
        return x * 2
"""


def test_answer_that_was_written_ahead_is_not_taken(tmp_path: Path) -> None:
    error = faulty(make_case(tmp_path, OP, FRONT, ANSWERS_AT_ONCE))
    assert "gave an answer that cannot be used: it " in error.message


LIES = """
    import pytest_upskill.oracle.reference_serving as serving
    def lie(self, request):
        pieces = [("float32", (2,), memoryview(bytes(8)))] + [("float64", (2,), memoryview(bytes(16)))] * 2
        return {"unsure": False, "scalars": {}, "exact": [["", False]], "unmodelled": []}, pieces
    serving.Serving.answer = lie
    def f(x):
        return x * 2
"""


def test_reference_can_lie_about_its_own_numbers_and_no_further(tmp_path: Path) -> None:
    runner = SandboxedReference(make_case(tmp_path, OP, FRONT, LIES), ReferenceProcess(LEVELS[0], LIMITS))
    with closing(runner), isolated():
        runner.layout = LAYOUT
        runner.prepare(Example({"n": 2}, "float32", 1))  # loads it, which is when it takes over
        lie = runner.prepare(Example({"n": 2}, "float32", 2))
        assert isinstance(lie, Prepared)
        assert lie.example.seed == 2
        assert not lie.expected[0].gold.any()
        with pytest.raises(CaseError, match=r"gives 'x' as float32 of shape \[2\]; the case declares"):
            runner.prepare(Example({"n": 3}, "float32", 1))


# ------------------------------------------------------------------------------------------- the self-check


def test_self_check_of_a_weak_case_comes_to_the_same_in_a_single_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(tmp_path, OP, FRONT.replace("64", "8"), "def f(x):\n    return x * 2")
    signature = derive(case, result_dtypes(case), result_shapes(case))
    subject = Subject(case, language_of(case), signature)
    started: list[ByteStreamProcess] = []
    start = ReferenceProcess._start
    monkeypatch.setattr(ReferenceProcess, "_start", lambda self: started.append(start(self)) or started[-1])
    there = quality.check(subject, None, None, 1 << 14, open_runner=untrusted)
    assert there == quality.check(subject, None, None, 1 << 14)
    assert there.advice
    assert "it does with larger dims" in str(there.advice)
    assert len(started) == 1


def test_process_starts_at_once_without_being_waited_for_and_ends_with_its_runner(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, FRONT, "def f(x):\n    return x * 2")
    with pytest.raises(ZeroDivisionError), closing(untrusted(case)) as runner:
        assert isinstance(runner, SandboxedReference)
        assert runner._process._process is not None
        assert not runner._process._serves
        raise ZeroDivisionError
    assert runner._process._process is None
