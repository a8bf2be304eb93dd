import ast
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.documents.expression import parse

CASE = """\
---
op: f(Tensor x) -> Tensor
dims:
  n: 1..{size}
args:
  x: [n * {size}]
---
Add one.

## Reference

```python
def f(x):
    return x + {size}
```

## Solution

```cuda
// a kernel
```
"""


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> threading.Barrier:
    """Opens once two threads are in ``ast.parse`` at the same time; breaks where one waits for the other in vain."""
    barrier, parse_tree = threading.Barrier(2), ast.parse

    def met(*args: object, **options: object) -> ast.AST:
        try:
            barrier.wait(0.2)
        except threading.BrokenBarrierError:
            return parse_tree(*args, **options)  # type: ignore[call-overload,no-any-return]
        raise SystemError("AST constructor recursion depth mismatch")

    monkeypatch.setattr(ast, "parse", met)
    return barrier


def test_cases_are_read_by_two_threads_at_once(meeting: threading.Barrier) -> None:
    with ThreadPoolExecutor(2) as threads:
        texts = [CASE.format(size=size) for size in (8_191, 8_192)]
        found = list(threads.map(lambda text: parse_case(text, Path("f.md"), "demo"), texts))
    assert [case.arguments[0].shape[0].text for case in found] == ["n * 8191", "n * 8192"]  # type: ignore[union-attr]
    assert meeting.broken


def test_expressions_are_compiled_by_two_threads_at_once(meeting: threading.Barrier) -> None:
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda text: parse(text).evaluate({"n": 3}), ["n * 8_117", "n * 8_119"]))
    assert found == [3 * 8_117, 3 * 8_119]
    assert meeting.broken
