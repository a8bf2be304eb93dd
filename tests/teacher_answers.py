"""Answers of a scripted teacher: plans, skills and small cases that are proven in a second or two."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

FORMULAS: Mapping[str, tuple[str, str]] = {
    "twice": ("x * 2", "value * 2.0f"),
    "square": ("x * x", "value * value"),
    "flip": ("-x", "-value"),
    "shifted": ("x + 3", "value + 3.0f"),
    "halved": ("x / 2", "value * 0.5f"),
    "magnitude": ("x.abs()", "fabsf(value)"),
    "positive_part": ("x.clamp(min=0)", "fmaxf(value, 0.0f)"),
    "cubed": ("x * x * x", "value * value * value"),
    "distance": ("(x - 1).abs()", "fabsf(value - 1.0f)"),
    "below_one": ("x.clamp(max=1)", "fminf(value, 1.0f)"),
    "mirrored": ("5 - x", "5.0f - value"),
    "tripled": ("x * 3", "value * 3.0f"),
}
"""By name: what a reference returns, and what a kernel writes."""
TASK = "Elementwise kernels for signals"


def plan(names: Sequence[str], skill: str = "signal-kernels") -> str:
    cases = [{"name": name, "operator": f"computes {name}", "difficulty": 1 + at % 5} for at, name in enumerate(names)]
    return f"Here is the plan.\n\n```json\n{json.dumps({'skill': skill, 'cases': cases}, indent=1)}\n```\n"


SKILL_BODY = "# Signals\n\nGuard the last block: the size is seldom a multiple of the block.\n"


def skill(name: str = "signal-kernels", body: str = SKILL_BODY, head: str = "", more: str = "") -> str:
    front = f"---\nname: {name}\ndescription: Elementwise kernels. Use it for signals.\n{head}---\n\n"
    return f"~~~~~~markdown SKILL.md\n{front}{body}~~~~~~\n{more}"


def case(
    name: str,
    reference: str = "",
    kernel: str = "",
    task: str = "",
    head: str = "",
    before: str = "",
    argument: str = "x",
) -> str:
    """The text of a case for one of FORMULAS, or for other formulas; ``before`` are lines of the reference's body."""
    expression, value = FORMULAS.get(name, ("x * 2", "value * 2.0f"))
    expression, value = reference or expression.replace("x", argument), kernel or value
    return f"""---
op: {name}(Tensor {argument}) -> Tensor
dims:
  n: 1..200
args:
  {argument}: [n]
examples: 4
{head}---
{task or f"Compute `{expression}` for each element of `{argument}`."}

## Reference

```python
def {name}({argument}):
{before}    return {expression}
```

## Solution

```cuda
#include <cmath>
#include <cstdint>

__global__ void {name}_kernel(float* out, const float* in, int64_t n) {{
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) {{
    const float value = in[i];
    out[i] = {value};
  }}
}}

void {name}(float* out, const float* {argument}, int64_t n, cudaStream_t stream) {{
  {name}_kernel<<<static_cast<unsigned>((n + 127) / 128), 128, 0, stream>>>(out, {argument}, n);
}}
```
"""


def write(folder: Path, answers: Mapping[str, str]) -> None:
    """Answers by step into a folder of ``files:``."""
    folder.mkdir(parents=True, exist_ok=True)
    for step, text in answers.items():
        (folder / f"{step}.answer.md").write_text(text, encoding="utf-8")


def good(names: Sequence[str], name: str = "signal-kernels") -> dict[str, str]:
    """All answers for a skill with these cases."""
    return {"plan": plan(names, name), "skill": skill(name), **{f"case-{one}": case(one) for one in names}}
