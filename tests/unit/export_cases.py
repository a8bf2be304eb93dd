"""Cases and passing items for the tests of exports."""

from __future__ import annotations

from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case, parse_case
from pytest_upskill.export.operation import Operation
from pytest_upskill.judging.signatures import signature_of
from pytest_upskill.records import Assertion, ItemKind, Outcome, RunInfo, Verdict, VerdictKind

SKILL = Path(__file__).parents[2] / "skills" / "cuda-kernels"
INFO = RunInfo({"processor": "A processor"}, "cpu", 1, "2026-01-01T00:00:00", 1.0, version="0.1.0")
CASE = """\
---
op: {op}
dims: {dims}
args: {args}
dtypes: {dtypes}
{more}---
Compute it.

## Reference

```python
{reference}
```

## Solution

```cuda
{solution}
```
"""


def case_of_skill(name: str) -> Case:
    """A case of ``cuda-kernels``."""
    return load_case(SKILL / "evals" / f"{name}.md", SKILL.name)


def case(
    op: str = "twice(Tensor x) -> Tensor",
    dims: str = "{n: 1..64}",
    args: str = "{x: [n]}",
    dtypes: str = "[float32]",
    more: str = "",
    reference: str = "def twice(x):\n    return 2 * x",
    solution: str = "void twice(float* out, const float* x, int64_t n, cudaStream_t stream) {}",
    name: str = "twice",
) -> Case:
    """A small case; ``more`` are further lines of its frontmatter."""
    text = CASE.format(op=op, dims=dims, args=args, dtypes=dtypes, more=more, reference=reference, solution=solution)
    return parse_case(text, Path(f"skills/s/evals/{name}.md"), "s")


def operation(of: Case) -> Operation:
    """The operator of a case's solution."""
    assert of.solution is not None
    return Operation(of, signature_of(of), of.solution.source)  # type: ignore[arg-type]


def passed(of: Case, student: str = "golden", source: str | None = None) -> Outcome:
    """An item whose kernel, a case's solution or ``source``, has passed."""
    assert of.solution is not None
    return Outcome(
        id=f"skills/{of.skill}/SKILL.md::{of.name}[{student}]",
        kind=ItemKind.KERNEL,
        skill=of.skill,
        case=of.name,
        verdict=Verdict(VerdictKind.PASSED, None, (Assertion("reply", True), Assertion("runs", True))),
        student=student,
        arm="skill",
        source=source or of.solution.source,
        case_digest=of.text_hash,
        compilers=("g++ 12",),
    )
