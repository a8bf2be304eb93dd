"""Cost of a project for kernel-builder: its build once PyTorch's headers are precompiled, and a verdict.

Run: python benchmarks/projects.py. Projects differ by a comment, so each one is built. The first build of each backend
is not counted: it may precompile headers. A verdict is of two dtypes and 25 examples of each. Prints medians, elapsed
and of the processor. ``--quick`` measures once, with few examples, to try the benchmark.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pytest_upskill import JudgeRequest, judge
from tests.unit import cuda_project_cases, kernel_builder_cases

QUICK = "--quick" in sys.argv
ROUNDS, EXAMPLES = (1, 3) if QUICK else (5, 25)


def processor_seconds() -> float:
    """Of all processes that have ended, and of this one."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def measure(language: str, files: dict[str, str], text: str) -> tuple[float, float, float]:
    """Seconds of a build, of a verdict, and of the processor for both."""
    source = next(path for path in files if path.endswith((".cu", "_rows.cpp")))
    changed = {**files, source: f"// {uuid.uuid4()}\n{files[source]}"}
    request = JudgeRequest(
        text, "scale_rows", changed, contract="kernel-builder", language=language, seed=1, examples=EXAMPLES
    )
    before, began = processor_seconds(), time.monotonic()
    found = judge(request)
    assert found.verdict.kind.value == "passed", found
    built = found.build_seconds
    return built, time.monotonic() - began - built, processor_seconds() - before


def main() -> None:
    for language, cases in (("cpp", kernel_builder_cases), ("cuda", cuda_project_cases)):
        measure(language, cases.FILES, cases.text())
        built, judged, used = zip(*(measure(language, cases.FILES, cases.text()) for _ in range(ROUNDS)), strict=True)
        figures = f"build {statistics.median(built):.1f} s, verdict {statistics.median(judged):.1f} s"
        print(f"{language}: {figures}, processor {statistics.median(used):.1f} s")


if __name__ == "__main__":
    main()
