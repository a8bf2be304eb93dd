"""Kernels for the oracle's tests, in place of compiled ones: functions of a call's bytes, in PyTorch or plain loops."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.launcher.signature import Signature, derive
from pytest_upskill.oracle.compare import read
from pytest_upskill.oracle.explore import Judgement, explore
from pytest_upskill.oracle.prepare import as_bytes
from pytest_upskill.oracle.reference import result_dtypes
from pytest_upskill.oracle.values import DTYPE
from pytest_upskill.records import Answer, Call, Example, Finding, TensorArgument

Values = dict[str, object]
Run = Callable[[Call], Answer]

ROWS_COLS = "dims:\n  rows: 1..64\n  cols: 1..1100\nargs:\n  x: [rows, cols]\n"


def write_case(folder: Path, op: str, front: str, reference: str, inputs: str = "") -> Path:
    """A case file; ``reference`` and ``inputs`` are Python, ``front`` is the frontmatter below ``op``."""
    name = op.partition("(")[0]
    more = f"## Inputs\n\n```python\n{textwrap.dedent(inputs).strip()}\n```\n\n" if inputs else ""
    path = folder / f"{name}.md"
    path.write_text(
        f"---\nop: {op}\n{front.strip()}\n---\nCompute it.\n\n## Reference\n\n"
        f"```python\n{textwrap.dedent(reference).strip()}\n```\n\n{more}"
        f"## Solution\n\n```cuda\nvoid {name}();\n```\n",
        encoding="utf-8",
    )
    return path


def make_case(folder: Path, op: str, front: str, reference: str, inputs: str = "") -> Case:
    return load_case(write_case(folder, op, front, reference, inputs), "demo")


def signature_of(case: Case) -> Signature:
    return derive(case, result_dtypes(case))


def values_of(call: Call) -> Values:
    """What a kernel is given, by name: tensors in their own dtype, scalars and dims."""
    found: Values = {}
    for argument in call.arguments:
        if not isinstance(argument, TensorArgument):
            found[argument.name] = argument.value
        elif argument.data is not None:
            tensor = read(argument.data, argument.dtype, argument.shape)
            found[argument.name] = tensor.bool() if argument.dtype == "bool" else tensor.clone()
    return found


def kernel(compute: Callable[[Values], Mapping[str, torch.Tensor] | torch.Tensor]) -> Run:
    """A run function that stores what ``compute`` gives, in the dtypes that the call asks for."""

    def run(call: Call) -> Answer:
        wanted = {a.name: a for a in call.arguments if isinstance(a, TensorArgument) and a.role != "input"}
        given = compute(values_of(call))
        outputs = {next(iter(wanted)): given} if isinstance(given, torch.Tensor) else given
        return Answer({name: bytes(as_bytes(value.to(DTYPE[wanted[name].dtype]))) for name, value in outputs.items()})

    return run


def fails_to_run(kind: str, message: str) -> Answer:
    return Answer({}, (Finding("runs", kind, message),))


def judge_kernel(
    case: Case, run: Run, *, seed: int = 3, examples: int | None = 8, only: Example | None = None
) -> Judgement:
    return explore(case, signature_of(case).layout, run, seed=seed, examples=examples, only=only)


def verdicts(judgement: Judgement) -> dict[str, bool]:
    return {assertion.name: assertion.passed for assertion in judgement.assertions}


def failed(judgement: Judgement) -> list[str]:
    return [assertion.name for assertion in judgement.assertions if not assertion.passed]


def serial_sum(x: torch.Tensor) -> torch.Tensor:
    """Along the last dim, one accumulator of x's dtype."""
    total = torch.zeros(x.shape[:-1], dtype=x.dtype)
    for column in x.unbind(-1):
        total = total + column
    return total


def pairwise_sum(x: torch.Tensor) -> torch.Tensor:
    while x.shape[-1] > 1:
        x = torch.nn.functional.pad(x, (0, x.shape[-1] % 2))
        x = x[..., 0::2] + x[..., 1::2]
    return x[..., 0]


def blocked_sum(x: torch.Tensor) -> torch.Tensor:
    """32 threads add every 32nd element each, then a tree adds the threads."""
    strided = torch.nn.functional.pad(x, (0, -x.shape[-1] % 32)).reshape(*x.shape[:-1], -1, 32)
    return pairwise_sum(serial_sum(strided.transpose(-1, -2)))


def kahan_sum(x: torch.Tensor) -> torch.Tensor:
    """One accumulator, and another one for what it lost."""
    total, lost = torch.zeros(x.shape[:-1], dtype=x.dtype), torch.zeros(x.shape[:-1], dtype=x.dtype)
    for column in x.unbind(-1):
        term = column - lost
        new = total + term
        lost = (new - total) - term
        total = new
    return total
