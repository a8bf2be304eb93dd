"""A skill with small cases in Python, for tests of the generator."""

from __future__ import annotations

from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case

SKILL = """\
---
name: tiny
description: Write small functions on tensors. Use for tests.
---

# Tiny

Write the function that is asked for.

## Doubling

Multiply by two.

## Rounding

Round once, at the end.
"""


def case_text(name: str, factor: int = 2) -> str:
    return f"""\
---
op: {name}(Tensor x) -> Tensor
language: python
contract: function
dims: {{n: 1..16}}
args: {{x: [n]}}
examples: 4
---
Return `x` times {factor}, in a function called {name}.

## Reference

```python
def {name}(x):
    return x * {factor}
```

## Solution

```python
def {name}(x):
    return x * {factor}
```
"""


def text_case(word: str) -> str:
    return f"---\nexpect: {{contains: [{word}]}}\n---\nSay {word}.\n"


def make_skill(root: Path, cases: dict[str, str], text: str = SKILL) -> Path:
    """Writes a skill called ``tiny`` below ``root``, and returns the path of its SKILL.md."""
    folder = root / "skills" / "tiny"
    (folder / "evals").mkdir(parents=True)
    (folder / "SKILL.md").write_text(text, encoding="utf-8")
    for name, case in cases.items():
        (folder / "evals" / f"{name}.md").write_text(case, encoding="utf-8")
    return folder / "SKILL.md"


def cases_of(skill_path: Path) -> list[Case]:
    return [load_case(path, skill_path.parent.name) for path in sorted((skill_path.parent / "evals").glob("*.md"))]


def function(name: str, factor: int = 2) -> str:
    """A reply with a function that multiplies by ``factor``."""
    return f"```python\ndef {name}(x):\n    return x * {factor}\n```\n"
