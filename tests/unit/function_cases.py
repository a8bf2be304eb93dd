"""Cases of the function contract for tests, as objects."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.function.contract import Signature, derive
from pytest_upskill.records import ResultFacts

TEXT = """\
---
op: scale(Tensor x, Tensor(a!) state, Tensor index, float eps, int steps) -> (Tensor y, Tensor total)
language: python
contract: function
forbid: [softmax, var]
vectorised: true
dims: {rows: 1..64, cols: [32, 64]}
where: [cols % rows == 0]
args:
  x: [rows, cols]
  state: [cols]
  index: {shape: [rows], dtype: int64, values: 0..cols-1}
  eps: {values: 1.0e-6}
  steps: {values: 1..4}
dtypes: [float32, float16]
---
Scale it.

## Reference

```python
def scale(x, state, index, eps, steps):
    return x, x.sum(-1)
```
"""


@functools.cache
def case() -> Case:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scale.md"
        path.write_text(TEXT)
        return load_case(path, "skill")


@functools.cache
def signature() -> Signature:
    return derive(case(), ResultFacts({"y": None, "total": "float32"}, {"y": ("rows", "cols")}))
