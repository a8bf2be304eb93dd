"""The self-check's own order: what is built and run, what is kept, and when it is looked at again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import torch

from pytest_upskill.build.build_pool import BuildPool
from pytest_upskill.build.cache import Cache
from pytest_upskill.case_quality import self_check
from pytest_upskill.case_quality.self_check import SelfCheck
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.launcher.signature import declaration
from pytest_upskill.errors import ToolchainError
from pytest_upskill.execution.case_gate import subject_of
from pytest_upskill.judging.signatures import signature_of
from pytest_upskill.languages.cuda.language import CudaLanguage
from pytest_upskill.records import Answer, Assertion, Build, Call, CallLayout, Kernel, Reply
from tests.unit.oracle_kernels import kernel, make_case

SMALL = "dims:\n  rows: 1..16\n  cols: 1..130\nargs:\n  x: [rows, cols]\n"
RIGHT, WRONG = 2.0, 3.0
RARELY_WIDE = f"x: {{shape: [rows, cols], values: [{', '.join(map(str, range(1, 40)))}, 4097]}}"
"""Values of which only the last has no exact double in half precision."""


def double(factor: float) -> Any:
    def compute(values: dict[str, object]) -> torch.Tensor:
        x = values["x"]
        assert isinstance(x, torch.Tensor)
        return x * factor

    return kernel(compute)


class FakeExecutor:
    """A sandbox whose kernel multiplies by what its library's name says."""

    violates = loops = False
    seconds: Callable[[Call], float] = staticmethod(lambda call: 0.001)

    def __init__(self, library: Path) -> None:
        self._run = double(float(library.stem))

    def call(self, call: Call) -> Answer:
        return replace(self._run(call), seconds=type(self).seconds(call))

    def repeat(self, call: Call, time: int) -> Answer:
        return self.call(call)

    def violations(self) -> Sequence[str]:
        return ("it copied to the host",) if self.violates else ()

    def assertions(self) -> Sequence[Assertion]:
        return (Assertion("vectorised", not self.loops, "it loops"),)

    def __enter__(self) -> FakeExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class FakeMachine:
    """A machine that only says what it is."""

    largest = 1 << 14

    def __init__(self, device: str = "cpu", compiler: str = "g++ 1") -> None:
        self.device, self.compiler = device, compiler

    def facts(self) -> Mapping[str, str]:
        return {"compiler": self.compiler}


class FakeLanguage:
    """Builds a solution into one file, its mutants into wrong ones; counts. Mutants are those of CUDA."""

    name, source_name, checks = CudaLanguage.name, CudaLanguage.source_name, CudaLanguage.checks

    def __init__(self, folder: Path, solution: float = RIGHT, own_identity: str = "1") -> None:
        self.folder, self.factor, self.own_identity = folder, solution, own_identity
        self.builds = self.sandboxes = 0
        self.timeouts: list[float] = []
        self.answer: Build | None = None
        self.mutants, self.same_code = CudaLanguage().mutants, CudaLanguage().same_code

    def identity(self) -> str:
        return self.own_identity

    def build(self, sources: Mapping[str, str], entry: str, machine: object, *, checked: bool = True) -> Build:
        assert not checked, "no other compiler has a say in a self-check"
        (source,) = sources.values()
        self.builds += 1
        if self.answer is not None:
            return self.answer
        library = self.folder / (f"{self.factor}.so" if "+ 1" not in source else f"{WRONG}.so")
        library.write_bytes(library.name.encode())
        return Build(library)

    def execute(self, build: Build, layout: CallLayout, machine: object, timeout: float) -> FakeExecutor:
        assert build.library is not None
        self.sandboxes += 1
        self.timeouts.append(timeout)
        return FakeExecutor(build.library)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = make_case(tmp_path, "f(Tensor x) -> Tensor", SMALL + "dtypes: [float32, float16]\n",
                     "def f(x):\n    return x * 2")  # fmt: skip
    text = made.path.read_text(encoding="utf-8").replace("void f();", "__global__ void f() { g(2); h(3); }")
    made.path.write_text(text, encoding="utf-8")
    return load_case(made.path, "demo")


def check(cache: Cache, machine: FakeMachine | None = None, timeout: float = 5.0) -> SelfCheck:
    there = machine or FakeMachine()
    return SelfCheck(lambda _: there, timeout, cache)  # type: ignore[arg-type,return-value]


@pytest.fixture
def language(tmp_path: Path) -> FakeLanguage:
    return FakeLanguage(tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def subject(case: Case, language: FakeLanguage) -> Subject:
    return Subject(case, language, signature_of(case))  # type: ignore[arg-type]


def problem(checks: SelfCheck, case: Case, language: FakeLanguage) -> str | None:
    return checks.quality(subject(case, language)).problem


def test_a_good_case_is_built_and_run_once_for_all_later_runs(case: Case, language: FakeLanguage, cache: Cache) -> None:
    first = check(cache)
    assert problem(first, case, language) is None
    assert problem(first, case, language) is None
    assert problem(check(cache), case, language) is None
    assert (language.builds, language.sandboxes) == (1, 1)


def test_another_content_device_compiler_or_timeout_is_checked_anew(
    case: Case, language: FakeLanguage, cache: Cache
) -> None:
    problem(check(cache), case, language)
    case.path.write_text(case.path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    problem(check(cache), load_case(case.path, "demo"), language)
    assert language.builds == 2
    for builds, other in enumerate((FakeMachine(device="cuda"), FakeMachine(compiler="g++ 2")), 3):
        problem(check(cache, other), case, language)
        assert language.builds == builds
    problem(check(cache, timeout=6.0), case, language)
    assert language.builds == 5


def test_another_identity_of_the_language_is_checked_anew(case: Case, language: FakeLanguage, cache: Cache) -> None:
    problem(check(cache), case, language)
    language.own_identity = "2"
    problem(check(cache), case, language)
    assert language.builds == 2


def test_another_version_of_the_package_or_of_torch_is_checked_anew(
    case: Case, language: FakeLanguage, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem(check(cache), case, language)
    monkeypatch.setattr(self_check, "VERSION", "99.0")
    problem(check(cache), case, language)
    monkeypatch.setattr(torch, "__version__", "99.0")
    problem(check(cache), case, language)
    assert language.builds == 3


def test_a_bad_case_is_told_twice_in_a_run_and_looked_at_again_in_the_next(
    case: Case, tmp_path: Path, cache: Cache
) -> None:
    wrong = FakeLanguage(tmp_path, solution=WRONG)
    first = check(cache)
    assert "its own solution fails correct[float32]" in str(problem(first, case, wrong))
    assert problem(first, case, wrong) == problem(first, case, wrong)
    assert wrong.builds == 1
    assert problem(check(cache), case, FakeLanguage(tmp_path)) is None


def test_a_solution_that_does_not_compile_is_told_with_the_compilers_word(
    case: Case, language: FakeLanguage, cache: Cache
) -> None:
    language.answer = Build(None, "kernel.cu: In function 'f':\nkernel.cu:4: error: 'oops' was not declared\n")
    assert problem(check(cache), case, language) == (
        "its own solution does not compile: kernel.cu:4: error: 'oops' was not declared"
    )


def test_a_solution_that_this_device_cannot_run_is_not_held_against_its_case(
    case: Case, language: FakeLanguage, cache: Cache
) -> None:
    language.answer = Build(None, needs="needs a GPU: tensor cores")
    found = check(cache).whole(subject(case, language))
    assert found.quality.problem is None and found.score is None
    assert found.notes == ("its solution is not run here: needs a GPU: tensor cores",)


def test_keys_that_no_kernel_is_judged_by_are_noted(case: Case, language: FakeLanguage, cache: Cache) -> None:
    for timed, keys in ((replace(case, speed={"rows": 9}), "'speed'"),
                        (replace(case, speed={"rows": 9}, at_least=1.5), "'speed' and 'at_least'")):  # fmt: skip
        for _ in range(2):  # from the check, then from the cache
            found = check(cache).whole(subject(timed, language))
            assert found.notes == (f"not checked yet: {keys}, since kernels are not timed",)


def test_a_case_without_a_solution_is_not_built(case: Case, language: FakeLanguage, cache: Cache) -> None:
    found = check(cache).whole(subject(replace(case, solution=None), language))
    assert found.quality.problem is None and found.score is None
    assert "solution" not in [one.name for one in found.quality.assertions]
    assert language.builds == 0


def test_a_machine_that_cannot_compile_is_no_fault_of_the_case(
    case: Case, language: FakeLanguage, cache: Cache
) -> None:
    def broken(*_: object, **__: object) -> Build:
        raise ToolchainError("no compiler; install one")

    language.build = broken  # type: ignore[method-assign]
    with pytest.raises(ToolchainError, match="no compiler"):
        problem(check(cache), case, language)


def test_a_build_that_was_sent_ahead_is_used(case: Case, language: FakeLanguage, cache: Cache) -> None:
    checks, pool = check(cache), BuildPool(1)
    for _ in range(2):
        checks.send_ahead(subject(case, language), pool.begin)
    assert problem(checks, case, language) is None
    checks.send_ahead(subject(case, language), pool.begin)
    pool.close()
    assert language.builds == 1


def test_the_score_is_of_mutants_and_is_kept_with_the_worth(case: Case, language: FakeLanguage, cache: Cache) -> None:
    first = check(cache).whole(subject(case, language))
    assert first.score is not None
    assert (first.score.killed, first.score.total, first.score.survived) == (2, 2, ())
    builds = language.builds
    assert check(cache).whole(subject(case, language)) == first
    assert problem(check(cache), case, language) is None
    assert language.builds == builds


def test_every_mutant_of_a_solution_is_tried(case: Case, language: FakeLanguage, cache: Cache) -> None:
    text = case.path.read_text(encoding="utf-8").replace("g(2); h(3);", "g(2); h(3); i(4); j(5); k(6); l(7); m(8);")
    case.path.write_text(text, encoding="utf-8")
    seven = load_case(case.path, "demo")
    found = check(cache).whole(subject(seven, language))
    assert found.score is not None
    assert (found.score.killed, found.score.total) == (7, 7)


@pytest.mark.parametrize(("seconds", "limit"), [(0.001, 1.0), (0.1, 2.0), (2.0, 5.0)])
def test_an_endless_mutant_takes_little_longer_than_the_examples_it_is_run_on_and_never_longer_than_a_kernel_may(
    case: Case, language: FakeLanguage, cache: Cache, monkeypatch: pytest.MonkeyPatch, seconds: float, limit: float
) -> None:
    monkeypatch.setattr(FakeExecutor, "seconds", staticmethod(lambda call: seconds))
    check(cache).whole(subject(case, language))
    assert language.timeouts == [5.0, limit, limit]


def test_mutants_that_live_are_told_with_their_line_and_the_same_code_is_equivalent(
    case: Case, language: FakeLanguage, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.test_self_check.WRONG", RIGHT)
    found = check(cache).whole(subject(case, language))
    assert found.score is not None
    assert (found.score.killed, found.score.total) == (0, 2)
    line = next(n for n, text in enumerate(case.path.read_text(encoding="utf-8").splitlines(), 1) if "g(2)" in text)
    assert {(one.line, one.unseen) for one in found.score.survived} == {(line, True)}
    assert {one.change for one in found.score.survived} == {"(2) -> ((2 + 1))", "(3) -> ((3 + 1))"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("violates", "its own solution fails contract: it copied to the host"),
        ("loops", "its own solution fails vectorised: it loops"),
        ("", None),
    ],
)
def test_a_solution_must_pass_what_is_known_after_the_last_call(
    case: Case, language: FakeLanguage, cache: Cache, monkeypatch: pytest.MonkeyPatch, fault: str, message: str | None
) -> None:
    if fault:
        monkeypatch.setattr(FakeExecutor, fault, True)
    assert problem(check(cache), case, language) == message
    assert check(cache).whole(subject(case, language)).quality.problem == message


def test_a_solution_must_pass_the_symbol_policy(case: Case, language: FakeLanguage, cache: Cache) -> None:
    right = language.build
    language.build = lambda *args, **options: replace(right(*args, **options), violations=("it calls cublas",))  # type: ignore[method-assign]
    assert problem(check(cache), case, language) == "its own solution fails contract: it calls cublas"


@pytest.mark.parametrize(("source", "passes"), [("__global__ void g() {}", False), (None, True)])
def test_a_solution_must_be_a_reply_that_meets_the_contract(
    case: Case, language: FakeLanguage, cache: Cache, source: str | None, passes: bool
) -> None:
    assert case.solution is not None
    source = source or declaration(signature_of(case)).rstrip(";") + " {}"
    found = subject_of(replace(case, solution=replace(case.solution, source=source))).problem
    assert found is None if passes else found is not None and found.name == "contract"
    checks, checked = check(cache), replace(subject(case, language), problem=found)
    problem = checks.quality(checked).problem
    assert problem is None if passes else str(problem).startswith("its own solution fails contract: ")
    assert checks.is_known_to_be_good(checked) == passes
    assert checks.whole(checked).quality.problem == problem
    assert (language.builds > 0) == passes


@pytest.mark.parametrize("passes", [True, False])
def test_a_solution_must_pass_the_projects_own_assertions(case: Case, passes: bool) -> None:
    assert case.solution is not None
    right = replace(case, solution=replace(case.solution, source=declaration(signature_of(case)).rstrip(";") + " {}"))
    seen: list[str] = []

    def more(case: Case, reply: Reply, kernel: Kernel | None) -> list[Assertion]:
        assert kernel is not None and kernel.source in reply.text
        seen.append(case.name)
        return [Assertion("short", passes, "it is too long")]

    found = subject_of(right, more).problem
    assert found is None if passes else found == Assertion("short", False, "it is too long")
    assert seen == ["f"]


def test_added_examples_and_advice_survive_the_cache(case: Case, language: FakeLanguage, cache: Cache) -> None:
    text = case.path.read_text(encoding="utf-8").replace("x: [rows, cols]", RARELY_WIDE)
    case.path.write_text(
        text.replace("rows: 1..16\n  cols: 1..130", "rows: 1\n  cols: 1..4\nexamples: 4"), encoding="utf-8"
    )
    rare = subject(load_case(case.path, "demo"), language)
    first = check(cache).quality(rare)
    assert first.problem is None and first.more and first.advice
    assert check(cache).quality(rare) == first
    assert check(cache).whole(rare).notes == first.advice
