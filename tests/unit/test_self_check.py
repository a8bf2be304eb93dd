"""The self-check's own order: what is built and run, what is kept, and when it is looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import torch

import pytest_upskill
from pytest_upskill.build.build_pool import BuildPool
from pytest_upskill.build.cache import Cache
from pytest_upskill.case_quality.self_check import SelfCheck
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.errors import ToolchainError
from pytest_upskill.execution.prompt_rendering import PromptRenderer
from pytest_upskill.records import Answer, Build, Call
from tests.unit.oracle_kernels import ROWS_COLS, kernel, make_case

RIGHT, WRONG = 2.0, 3.0


def double(factor: float) -> Any:
    def compute(values: dict[str, object]) -> torch.Tensor:
        x = values["x"]
        assert isinstance(x, torch.Tensor)
        return x * factor

    return kernel(compute)


class FakeSandbox:
    """A sandbox whose kernel multiplies by what its library's name says."""

    def __init__(self, library: Path) -> None:
        self._run = double(float(library.stem))

    def call(self, call: Call) -> Answer:
        return self._run(call)  # type: ignore[no-any-return]

    def repeat(self, call: Call, time: int) -> Answer:
        return self.call(call)

    def __enter__(self) -> FakeSandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class FakeMachine:
    """Builds a solution into one file, its mutants into wrong ones; counts."""

    largest = 1 << 14

    def __init__(self, folder: Path, solution: float = RIGHT, device: str = "cpu", compiler: str = "g++ 1") -> None:
        self.device, self.compiler, self.factor = device, compiler, solution
        self.folder, self.builds, self.sandboxes = folder, 0, 0
        self.answer: Build | None = None

    def facts(self) -> Mapping[str, str]:
        return {"compiler": self.compiler}

    def build(self, source: str, signature: object, *, checked: bool = True) -> Build:
        self.builds += 1
        if self.answer is not None:
            return self.answer
        library = self.folder / (f"{self.factor}.so" if "+ 1" not in source else f"{WRONG}.so")
        library.write_bytes(library.name.encode())
        return Build(library)

    def sandbox(self, library: Path, signature: object, timeout: float) -> FakeSandbox:
        self.sandboxes += 1
        return FakeSandbox(library)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = make_case(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS + "dtypes: [float32, float16]\n",
                     "def f(x):\n    return x * 2")  # fmt: skip
    text = made.path.read_text(encoding="utf-8").replace("void f();", "__global__ void f() { g(2); h(3); }")
    made.path.write_text(text, encoding="utf-8")
    return load_case(made.path, "demo")


def check(machine: FakeMachine, cache: Cache, timeout: float = 5.0) -> SelfCheck:
    return SelfCheck(lambda: machine, timeout, cache)  # type: ignore[arg-type,return-value]


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def problem(checks: SelfCheck, case: Case) -> str | None:
    return checks.quality(case, PromptRenderer().signature(case)).problem


def test_a_good_case_is_built_and_run_once_for_all_later_runs(case: Case, machine: FakeMachine, cache: Cache) -> None:
    first = check(machine, cache)
    assert problem(first, case) is None
    assert problem(first, case) is None
    assert problem(check(machine, cache), case) is None
    assert (machine.builds, machine.sandboxes) == (1, 1)


def test_another_content_device_compiler_or_timeout_is_checked_anew(
    case: Case, machine: FakeMachine, cache: Cache
) -> None:
    problem(check(machine, cache), case)
    case.path.write_text(case.path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    problem(check(machine, cache), load_case(case.path, "demo"))
    assert machine.builds == 2
    for other in (FakeMachine(machine.folder, device="cuda"), FakeMachine(machine.folder, compiler="g++ 2")):
        problem(check(other, cache), case)
        assert other.builds == 1
    problem(check(machine, cache, timeout=6.0), case)
    assert machine.builds == 3


def test_another_version_of_the_package_or_of_torch_is_checked_anew(
    case: Case, machine: FakeMachine, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem(check(machine, cache), case)
    monkeypatch.setattr(pytest_upskill, "__version__", "99.0")
    problem(check(machine, cache), case)
    monkeypatch.setattr(torch, "__version__", "99.0")
    problem(check(machine, cache), case)
    assert machine.builds == 3


def test_a_bad_case_is_told_twice_in_a_run_and_looked_at_again_in_the_next(
    case: Case, tmp_path: Path, cache: Cache
) -> None:
    wrong = FakeMachine(tmp_path, solution=WRONG)
    first = check(wrong, cache)
    assert "its own solution fails correct[float32]" in str(problem(first, case))
    assert problem(first, case) == problem(first, case)
    assert wrong.builds == 1
    assert problem(check(FakeMachine(tmp_path), cache), case) is None


def test_a_solution_that_does_not_compile_is_told_with_the_compilers_word(
    case: Case, machine: FakeMachine, cache: Cache
) -> None:
    machine.answer = Build(None, "kernel.cu: In function 'f':\nkernel.cu:4: error: 'oops' was not declared\n")
    assert problem(check(machine, cache), case) == (
        "its own solution does not compile: kernel.cu:4: error: 'oops' was not declared"
    )


def test_a_solution_that_this_device_cannot_run_is_not_held_against_its_case(
    case: Case, machine: FakeMachine, cache: Cache
) -> None:
    machine.answer = Build(None, needs="needs a GPU: tensor cores")
    found = check(machine, cache).whole(case, PromptRenderer().signature(case))
    assert found.quality.problem is None and found.score is None
    assert found.notes == ("its solution is not run here: needs a GPU: tensor cores",)


def test_a_case_without_a_solution_is_not_built(case: Case, machine: FakeMachine, cache: Cache) -> None:
    found = check(machine, cache).whole(replace(case, solution=None), PromptRenderer().signature(case))
    assert found.quality.problem is None and found.score is None
    assert "solution" not in [one.name for one in found.quality.assertions]
    assert machine.builds == 0


def test_a_machine_that_cannot_compile_is_no_fault_of_the_case(case: Case, machine: FakeMachine, cache: Cache) -> None:
    def broken(*_: object, **__: object) -> Build:
        raise ToolchainError("no compiler; install one")

    machine.build = broken  # type: ignore[method-assign]
    with pytest.raises(ToolchainError, match="no compiler"):
        problem(check(machine, cache), case)


def test_a_build_that_was_sent_ahead_is_used(case: Case, machine: FakeMachine, cache: Cache) -> None:
    checks, pool = check(machine, cache), BuildPool(1)
    for _ in range(2):
        checks.send_ahead(case, PromptRenderer().signature(case), pool)
    assert problem(checks, case) is None
    checks.send_ahead(case, PromptRenderer().signature(case), pool)
    pool.close()
    assert machine.builds == 1


def test_the_score_is_of_mutants_and_is_kept_with_the_worth(case: Case, machine: FakeMachine, cache: Cache) -> None:
    first = check(machine, cache).whole(case, PromptRenderer().signature(case))
    assert first.score is not None
    assert (first.score.killed, first.score.total, first.score.survived) == (2, 2, ())
    builds = machine.builds
    assert check(machine, cache).whole(case, PromptRenderer().signature(case)) == first
    assert problem(check(machine, cache), case) is None
    assert machine.builds == builds


def test_every_mutant_of_a_solution_is_tried(case: Case, machine: FakeMachine, cache: Cache) -> None:
    text = case.path.read_text(encoding="utf-8").replace("g(2); h(3);", "g(2); h(3); i(4); j(5); k(6); l(7); m(8);")
    case.path.write_text(text, encoding="utf-8")
    seven = load_case(case.path, "demo")
    found = check(machine, cache).whole(seven, PromptRenderer().signature(seven))
    assert found.score is not None
    assert (found.score.killed, found.score.total) == (7, 7)


def test_mutants_that_live_are_told_with_their_line_and_the_same_code_is_equivalent(
    case: Case, machine: FakeMachine, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.test_self_check.WRONG", RIGHT)
    found = check(machine, cache).whole(case, PromptRenderer().signature(case))
    assert found.score is not None
    assert (found.score.killed, found.score.total) == (0, 2)
    line = next(n for n, text in enumerate(case.path.read_text(encoding="utf-8").splitlines(), 1) if "g(2)" in text)
    assert {(one.line, one.unseen) for one in found.score.survived} == {(line, True)}
    assert {one.change for one in found.score.survived} == {"(2) -> ((2 + 1))", "(3) -> ((3 + 1))"}
