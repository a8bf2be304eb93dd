"""Outcomes for the tests of reports, made from few words."""

from __future__ import annotations

from typing import Any

from pytest_upskill.execution.outcome import with_source
from pytest_upskill.languages.cuda.language import CudaLanguage
from pytest_upskill.records import (
    Assertion,
    Counterexample,
    Example,
    ItemKind,
    Outcome,
    RunInfo,
    Seconds,
    Tokens,
    Verdict,
    VerdictKind,
    WorstElement,
)

NAMES = (
    "reply",
    "contract",
    "compiles",
    "runs",
    "correct[float32]",
    "correct[float16]",
    "memory",
    "deterministic",
    "inputs",
)
REPLY_TOKENS = Tokens(1000, 500)
REPLY_SECONDS = Seconds(1.0, 0.25, 0.5)


def outcome(
    case: str = "rms_norm",
    student: str = "glm-4.7",
    arm: str = "skill",
    *,
    trial: int = 1,
    failed: dict[str, str] | None = None,
    kind: VerdictKind | None = None,
    reason: str | None = None,
    skill: str = "cuda-kernels",
    counterexample: Counterexample | None = None,
    tokens: Tokens = REPLY_TOKENS,
    seconds: Seconds = REPLY_SECONDS,
    source: str | None = None,
    **more: Any,
) -> Outcome:
    """A kernel item; ``failed`` maps assertions to messages, and makes it a failed one. ``source`` is CUDA C++."""
    failed = failed or {}
    kind = kind or (VerdictKind.FAILED if failed else VerdictKind.PASSED)
    decided = kind in (VerdictKind.PASSED, VerdictKind.FAILED)
    assertions = tuple(Assertion(name, name not in failed, failed.get(name, "")) for name in NAMES) if decided else ()
    suffix = "" if trial == 1 else f"-{trial}"
    made = Outcome(
        id=f"skills/{skill}/SKILL.md::{case}[{student}-{arm}{suffix}]",
        kind=ItemKind.KERNEL,
        skill=skill,
        case=case,
        verdict=Verdict(kind, reason, assertions, counterexample),
        student=student,
        arm=arm,
        trial=trial,
        tokens=tokens,
        seconds=seconds,
        **more,
    )
    return with_source(made, CudaLanguage(), source)


def golden(case: str, **more: Any) -> Outcome:
    """An item of the self-check."""
    return outcome(case, "golden", "skill", tokens=Tokens(), **more)


def spec(skill: str = "cuda-kernels", reason: str | None = None, **more: Any) -> Outcome:
    """The item that validates a skill; ``reason`` makes it a failed one."""
    kind = VerdictKind.FAILED if reason else VerdictKind.PASSED
    return Outcome(f"skills/{skill}/SKILL.md::spec", ItemKind.SPEC, skill, None, Verdict(kind, reason), **more)


def run(**more: Any) -> RunInfo:
    """A run on the cpu device with seed 7."""
    known: dict[str, Any] = {"machine": {"cpus": 2}, "device": "cpu", "seed": 7, "started": "2026-11-23T01:44:07+00:00",
                             "seconds": 83.4}  # fmt: skip
    return RunInfo(**{**known, **more})


SOURCE = """\
#include <cuda_runtime.h>

template <typename scalar_t>
__global__ void rms_norm_kernel(scalar_t* __restrict__ y, const scalar_t* x, const scalar_t* w, float eps, int cols) {
    const int row = blockIdx.x;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < cols; i += 32) {
        const float v = static_cast<float>(x[row * cols + i]);
        sum += v * v;
    }
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffff, sum, offset);
    const float scale = rsqrtf(sum / cols + eps);
    for (int i = threadIdx.x; i < cols / 32 * 32; i += 32) {
        y[row * cols + i] = static_cast<scalar_t>(static_cast<float>(x[row * cols + i]) * scale * float(w[i]));
    }
}
"""


def counterexample(assertion: str = "correct[float16]", **more: Any) -> Counterexample:
    """The tail of a row that was never written."""
    known: dict[str, Any] = {
        "example": Example({"rows": 1, "cols": 33}, "float16", 7),
        "message": "1 of 33 elements is off",
        "worst": WorstElement("out", (0, 32), "0.53125", "nan", "nan", "0.0011"),
    }
    return Counterexample(assertion, **{**known, **more})
