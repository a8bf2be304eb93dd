"""The judge as a function of plain data, and its backends."""

from __future__ import annotations

import builtins
import importlib
import itertools
import json
import os
import pickle
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_upskill.judging import JudgeRequest, JudgeResult, Limits, judge, worker_pool
from pytest_upskill.judging.in_process import InProcess
from pytest_upskill.judging.worker_pool import REQUESTS, RESULTS, WorkerPool
from pytest_upskill.records import Answer, Call, Trace, VerdictKind
from tests.sampling import first_of_each

judge_module = importlib.import_module("pytest_upskill.judging.judge")  # the package has a function of this name
ROOT = Path(__file__).resolve().parents[2]
CASES = ("vector_add", "argmax", "row_variance")
KERNELS = sorted(path for name in CASES for path in (ROOT / "tests" / "kernels" / name).glob("*.cu"))


def request_of(name: str, source: str, **fields: object) -> JudgeRequest:
    text = (ROOT / "skills" / "cuda-kernels" / "evals" / f"{name}.md").read_text(encoding="utf-8")
    request = JudgeRequest(text, name, {"kernel.cu": source}, device="cpu", seed=7, examples=8)
    return replace(request, **fields)  # type: ignore[arg-type]


def kernel(name: str, kind: str) -> str:
    return next(path for path in KERNELS if path.parent.name == name and path.name.startswith(kind)).read_text()


def kind_of(path: Path) -> str:
    """Whether a kernel is right, or the assertion that it fails, as its first line says."""
    return path.read_text().partition("\n")[0] if path.name.startswith("wrong") else "right"


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(1)
    yield made
    made.close()


@pytest.mark.parametrize("path", first_of_each(KERNELS, kind_of, lambda path: f"{path.parent.name}-{path.stem}"))
def test_both_backends_give_the_same_result(pool: WorkerPool, path: Path) -> None:
    request = request_of(path.parent.name, path.read_text())
    far = pool.submit(request)
    near = InProcess().submit(request).result()
    assert far.result() == near
    assert near.verdict.kind is (VerdictKind.PASSED if path.name.startswith("right") else VerdictKind.FAILED)


def test_a_result_says_what_it_was_made_with() -> None:
    result = judge(request_of("vector_add", kernel("vector_add", "right")))
    assert result.version and result.machine["compiler"]
    assert result.build is not None and result.build.ok and result.build_seconds >= 0
    assert result.launch_statistics.launches > 0
    assert [one.name for one in result.verdict.assertions][:2] == ["contract", "compiles"]


def test_requests_and_results_are_plain_data() -> None:
    request = request_of("argmax", kernel("argmax", "wrong"), limits=Limits(3.0, 60.0, 1 << 30))
    result = judge(request)
    assert result.verdict.counterexample is not None
    asked, answered = REQUESTS.dump_json(request), RESULTS.dump_json(result)
    assert REQUESTS.validate_json(asked) == request == pickle.loads(pickle.dumps(request))
    assert RESULTS.validate_json(answered) == result == pickle.loads(pickle.dumps(result))
    assert not any(str(ROOT).encode() in text for text in (asked, answered))
    assert json.loads(answered)["verdict"]["kind"] == "failed"


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"case_text": "no case"}, "case", "line 1 must be exactly '---'"),
        ({"contract": "nothing"}, "case", "contract 'nothing' is not known"),
        ({"language": "nothing"}, "case", "contract 'launcher' is for language cuda, not 'nothing'"),
        ({"example": "rows=1"}, "usage", "example 'rows=1' of case 'vector_add'"),
        ({"sanitizer": True}, "usage", "--upskill-sanitizer is for the cuda device"),
        ({"limits": Limits(memory=1 << 20)}, "usage", "limits.memory is 1048576 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_fault_of_the_sources_is_a_problem(change: dict[str, object], kind: str, said: str) -> None:
    result = judge(request_of("vector_add", kernel("vector_add", "right"), **change))
    assert result.problem is not None
    assert (result.problem.kind, result.verdict.assertions) == (kind, ())
    assert said in result.problem.message


def test_sources_that_do_not_meet_the_contract_are_not_built() -> None:
    result = judge(request_of("vector_add", "int x;"))
    assert result.build is None
    failed = result.verdict.first_failed
    assert failed is not None and failed.name == "contract" and "does not define 'vector_add'" in failed.message


def test_a_kernel_whose_calls_together_take_too_long_fails_runs() -> None:
    limits = Limits(item_seconds=0.3)
    result = judge(request_of("vector_add", kernel("vector_add", "right"), limits=limits))
    failed = result.verdict.first_failed
    assert failed is not None and failed.name == "runs"
    assert "reached the limit of 0.3 s for an item" in failed.message and "--upskill-item-timeout" in failed.message


def test_traced_calls_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 10)
    monkeypatch.setattr(judge_module.time, "monotonic", lambda: next(clock))
    answer, trace, call = Answer({"out": b""}), Trace(), Call(0, ())
    watched = judge_module._Watched(SimpleNamespace(call=lambda _: answer), 25.0, None)  # type: ignore[arg-type]
    tracer = judge_module._WatchedTracer(SimpleNamespace(trace=lambda _: trace), watched)  # type: ignore[arg-type]
    assert (watched.call(call), tracer.trace(call)) == (answer, trace)
    assert [finding.kind for finding in watched.call(call).findings] == ["item-timeout"]
    assert tracer.trace(call) is None


def test_halves_of_surrogate_pairs_break_the_contract() -> None:
    result = judge(request_of("vector_add", kernel("vector_add", "right") + "\n// \ud800"))
    failed = result.verdict.first_failed
    assert failed is not None and failed.name == "contract" and "half of a surrogate pair" in failed.message


def test_further_examples_are_tried_besides_those_that_are_drawn() -> None:
    """The kernel is wrong for one size, without a comparison of integers, and eight drawn examples do not meet it."""
    case = (ROOT / "skills" / "cuda-kernels" / "evals" / "vector_add.md").read_text(encoding="utf-8")
    solution = case.partition("```cuda\n")[2].partition("```")[0]
    wrong = solution.replace("static_cast<float>(y[i]))", "static_cast<float>(y[i]) + fmaxf(0, 1 - fabsf(n - 777.0f)))")
    assert wrong != solution
    request = request_of("vector_add", wrong)
    assert judge(request).verdict.kind is VerdictKind.PASSED
    found = judge(replace(request, more_examples=("n=777 dtype=float32 seed=7",))).verdict.counterexample
    assert found is not None and found.example.dims == {"n": 777}


def test_a_worker_that_dies_costs_its_own_requests_alone(pool: WorkerPool) -> None:
    request = request_of("vector_add", kernel("vector_add", "right"))
    first: JudgeResult = pool.submit(request).result()
    (worker,) = pool._pool._processes
    os.kill(worker, signal.SIGKILL)
    lost = pool.submit(request).result()
    # The pool may notice the death before the request is submitted, or after.
    assert lost == first or (lost.problem and "a worker of the judge ended" in lost.problem.message)
    assert pool.submit(request).result() == first


def test_a_defect_in_a_worker_is_raised() -> None:
    result: Future[JudgeResult] = Future()
    answer: Future[bytes] = Future()
    answer.set_exception(ZeroDivisionError("ours"))
    worker_pool._settle(result, answer)
    with pytest.raises(ZeroDivisionError, match="ours"):
        result.result()


def test_an_untrusted_case_gives_the_same_result_and_its_own_python_stays_out_of_this_process() -> None:
    request = request_of("argmax", kernel("argmax", "wrong"), examples=3)
    assert judge(replace(request, trusted=False)) == judge(request)
    leaves = "\n    import builtins\n    builtins.upskill_was_here = True\n"
    text = request.case_text.replace("def argmax(x):\n", f"def argmax(x):{leaves}", 1)
    assert text != request.case_text
    result = judge(replace(request, case_text=text, trusted=False))
    assert result.problem is None
    assert not hasattr(builtins, "upskill_was_here")
