"""The function contract: what is asked for, in words, and which replies meet it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pytest_upskill.contracts.function.contract import MAX_SOURCE, FunctionContract, extract_function
from pytest_upskill.errors import CaseError
from pytest_upskill.judging.signatures import contract_of, language_of
from pytest_upskill.records import ScalarParameter, TensorParameter
from tests.unit.function_cases import case, signature

ASKED = """\
def scale(
    x: torch.Tensor,
    state: torch.Tensor,
    index: torch.Tensor,
    eps: float,
    steps: int,
) -> tuple[torch.Tensor, torch.Tensor]:"""

PROMPT = f"""\
Scale it.

Define exactly this function, at the top level:

```python
{ASKED}
```

Its parameters:

- `x`: shape [rows, cols], float32 or float16, only read. Values: finite.
- `state`: shape [cols], float32 or float16, updated in place. Values: finite.
- `index`: shape [rows], int64, only read. Values: 0 to cols-1.
- `eps`: always 1e-06.
- `steps`: 1 to 4.

It returns:

- `y`: shape [rows, cols], float32 or float16.
- `total`: of the shape that the task gives it, float32.

What you may rely on:

- Sizes: `rows` (1 to 64; it is never 0), `cols` (one of 32, 64). They are not parameters: read them from the shapes of the tensors.
- The values above hold whenever the function is called; those of `float` arguments are rounded to float32.
- These conditions hold: `cols % rows == 0`.
- Tensors are contiguous, on the cpu, and do not overlap; all that follow the case's dtype have the same one in a call.
- `torch` and Python's standard library can be imported, and nothing else.

What is asked of you:

- Arguments that are only read must be unchanged when the function returns.
- Each result is a dense tensor of exactly this shape and dtype.
- The same input must give the same bits each time.
- No file, process, thread or network is used.
- Accumulate inputs of low precision in float32 or better, unless the task says otherwise.
- These operators must not be called, neither as functions nor as methods of tensors: `softmax`, `var`.
- Work on whole tensors: the work done in Python must not grow with the sizes. No loop, comprehension or list over elements, rows or columns.

Answer with one fenced ```python block that holds the whole source, with its imports.
"""  # noqa: E501

BODY = "(x, state, index, eps, steps):\n    return x, x.sum(-1)\n"
GOOD = f"import torch\n\ndef scale{BODY}"


def fenced(*sources: str) -> str:
    return "\n".join(f"Here:\n\n```python\n{source}\n```\n" for source in sources)


def test_the_prompt_says_all_that_is_asked_for() -> None:
    assert FunctionContract().user_text(case(), signature()) == PROMPT


def test_the_layout_has_results_and_arguments_and_no_sizes() -> None:
    assert signature().layout.parameters == (
        TensorParameter("y", "output", None, ("rows", "cols")),
        TensorParameter("total", "output", "float32", None),
        TensorParameter("x", "input", None),
        TensorParameter("state", "inplace", None),
        TensorParameter("index", "input", "int64"),
        ScalarParameter("eps", "float"),
        ScalarParameter("steps", "int"),
    )


def test_the_entry_tells_the_language_what_is_called_and_watched() -> None:
    entry = json.loads(signature().entry)
    assert entry == {"name": "scale", "results": ["y", "total"], "forbid": ["softmax", "var"], "vectorised": True}


@pytest.mark.parametrize(
    "source",
    [
        GOOD,
        GOOD.replace("steps)", "steps, more=1)"),
        GOOD.replace("steps)", "steps, /, *, more=1)"),
        GOOD.replace("steps)", "steps=3, **others)"),
        GOOD.replace("def scale", "@torch.no_grad()\ndef scale"),
        f"scale = None\n{GOOD}",
        GOOD.replace("steps)", "steps, more=lambda a, b=(1, 2): {a: b}, *rest, last=[1, 2])"),
        GOOD.replace("(x, state,", "(\n    x: 'a, b',  # one, two\n    state: dict[str, int],"),
    ],
)
def test_a_function_with_the_right_parameters_is_accepted(source: str) -> None:
    found = extract_function(fenced(source), signature())
    assert found.kernel is not None, found.problem
    assert found.kernel.source.rstrip("\n") == source.rstrip("\n")
    assert found.kernel.line == 4


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import torch\ndef scale(x:\n    return\n", r"kernel.py:2: this is no Python: "),
        (GOOD.replace("def scale", "async def scale"), "kernel.py:3: 'scale' is an async function; asked for:\ndef"),
        ("class scale:\n    pass\n", "kernel.py:1: 'scale' is a class"),
        ("scale = lambda x, state, index, eps, steps: x\n", "'scale' is not defined by 'def'"),
        (GOOD.replace("index, ", ""), r"has 4 parameters (x, state, eps, steps), not 5"),
        (GOOD.replace("index", "indices", 1), "has 'indices' as parameter 3, where 'index' was asked for"),
        (GOOD.replace("x, state", "state, x", 1), "has 'state' as parameter 1, where 'x' was asked for"),
        (GOOD.replace("steps)", "steps, more)"), "has 6 parameters (x, state, index, eps, steps, more), not 5"),
        (GOOD.replace("steps)", "steps, *, more)"), "needs a further argument 'more'"),
        (f"if True:\n    def scale{BODY}".replace("\n    return", "\n        return"), "top level, not inside"),
        ("# scale\nx = 1\n", "the source defines no 'scale' at the top level"),
        (GOOD + "#" * MAX_SOURCE, f"at most {MAX_SOURCE}: shorten it"),
        ("x = 1\n", "the only fenced block does not define 'scale'"),
        (GOOD + "\0", "kernel.py:|cannot be parsed"),
    ],
)  # fmt: skip
def test_another_source_is_refused_with_the_place_and_what_was_asked_for(source: str, problem: str) -> None:
    found = extract_function(fenced(source), signature())
    assert found.kernel is None
    assert found.block_found
    assert any(part in found.problem for part in problem.split("|")), found.problem


def test_a_reply_without_a_block_fails_another_assertion() -> None:
    found = extract_function(f"<think>{fenced(GOOD)}</think>\nDone.", signature())
    assert (found.kernel, found.block_found) == (None, False)
    assert found.problem == (
        "only its reasoning holds fenced blocks; one ```python block that defines 'scale' was asked for"
    )


def test_the_last_block_that_defines_the_function_counts() -> None:
    wrong = GOOD.replace("index", "indices")
    assert extract_function(fenced(wrong, GOOD), signature()).kernel is not None
    assert extract_function(fenced(GOOD, wrong), signature()).kernel is None
    assert extract_function(fenced(GOOD, "print(scale(1))"), signature()).kernel is not None


def test_keys_of_the_contract_are_refused_in_another() -> None:
    other = dataclasses.replace(case(), contract="launcher", language="cuda", forbid=())
    with pytest.raises(CaseError, match="'vectorised' has no meaning in contract 'launcher'; remove it"):
        contract_of(other)


def test_names_that_nothing_stands_for_are_errors_of_the_case() -> None:
    with pytest.raises(CaseError, match="contract 'functions' is not known; did you mean 'function'"):
        contract_of(dataclasses.replace(case(), contract="functions"))
    with pytest.raises(CaseError, match="language 'pyton' is not known; did you mean 'python'"):
        language_of(dataclasses.replace(case(), language="pyton"))
    with pytest.raises(CaseError, match="contract 'launcher' is for language cuda, not 'python'"):
        contract_of(dataclasses.replace(case(), contract="launcher", forbid=(), vectorised=False))
