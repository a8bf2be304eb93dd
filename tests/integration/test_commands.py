"""The console script ``pytest-upskill``: its commands and help, ``lint`` and ``list``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

CASE = """---
op: scale(Tensor x) -> Tensor
dims:
  n: 1..64
args:
  x: [n]
tags: [elementwise]
---
Double it.

## Reference

```python
def scale(x):
    return 2 * x
```
"""


@pytest.fixture
def skill(pytester: pytest.Pytester) -> Path:
    folder = pytester.path / "skills" / "tiny"
    (folder / "evals").mkdir(parents=True)
    (folder / "SKILL.md").write_text("---\nname: tiny\ndescription: Scales vectors.\n---\nBe brief.\n")
    (folder / "evals" / "scale.md").write_text(CASE)
    return folder


def call(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.run(sys.executable, "-m", "pytest_upskill", *arguments)


def test_help_names_every_command_and_a_wrong_one_is_refused(pytester: pytest.Pytester) -> None:
    shown = call(pytester, "--help")
    assert shown.ret == 0
    shown.stdout.fnmatch_lines(
        [
            "Usage: pytest-upskill ?OPTIONS? COMMAND ?ARGS?...",
            "  run    Run a CUDA program on the host *",
            "  list   List skills and their cases.",
            "  lint   Check skills and cases against the specification, without pytest.",
            "  prune  Remove kept and recorded replies that no case uses.",
        ]
    )
    refused = call(pytester, "lnit")
    assert refused.ret == 2
    refused.stderr.fnmatch_lines(["Error: No such command 'lnit'*"])


@pytest.mark.parametrize("path", ["skills", "skills/tiny", "skills/tiny/SKILL.md", "skills/tiny/evals/scale.md", None])
def test_lint_takes_a_folder_a_file_or_nothing(pytester: pytest.Pytester, skill: Path, path: str | None) -> None:
    checked = call(pytester, "lint", *([path] if path else []))
    assert (checked.ret, checked.stdout.lines) == (0, ["1 skill: 0 errors, 0 warnings"])


def test_lint_says_file_and_line_of_errors_and_advice(pytester: pytest.Pytester, skill: Path) -> None:
    (skill / "SKILL.md").write_text("---\nname: Tiny\ndescription: Scales.\nmodel: opus\n---\nBe brief.\n")
    (skill / "evals" / "scale.md").write_text(CASE.replace("x: [n]", "x: [m]"))
    checked = call(pytester, "lint", "skills")
    assert checked.ret == 1
    checked.stdout.fnmatch_lines(
        [
            "skills/tiny/SKILL.md:2: error: name 'Tiny' must be in lower case: write 'tiny'",
            "skills/tiny/SKILL.md:4: warning: 'model' is an agent's own key*",
            "skills/tiny/evals/scale.md:6: error: *'m'*",
            "1 skill: 3 errors, 1 warning",
        ]
    )


def test_a_path_without_a_skill_is_a_usage_error(pytester: pytest.Pytester) -> None:
    for arguments, said in ((["nowhere"], "*there is no such skill*"), ([], "*no SKILL.md below the current folder*")):
        for command in ("lint", "list"):
            refused = call(pytester, command, *arguments)
            assert refused.ret == 2
            refused.stderr.fnmatch_lines([said])


def test_list_shows_cases_and_names_those_that_cannot_be_read(pytester: pytest.Pytester, skill: Path) -> None:
    shown = call(pytester, "list")
    assert shown.ret == 0
    assert [line.split() for line in shown.stdout.lines] == [
        ["skill", "case", "language", "contract", "dtypes", "tags"],
        ["tiny", "scale", "cuda", "launcher", "float32", "elementwise"],
    ]
    (skill / "evals" / "broken.md").write_text("---\nop: 3\n---\nNothing.\n")
    shown = call(pytester, "list", "skills")
    assert shown.ret == 1
    shown.stdout.fnmatch_lines(["tiny*broken*cannot be read*", "tiny*scale*"])
    shown.stderr.fnmatch_lines(["skills/tiny/evals/broken.md:*"])
