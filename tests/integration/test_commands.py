"""The console script ``pytest-upskill``: its commands and help, ``lint`` and ``list``."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_upskill.commands.main import main
from pytest_upskill.records.version import VERSION

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

## Solution

```cuda
// Not compiled here.
```
"""
HELP = """\
Usage: pytest-upskill [OPTIONS] COMMAND [ARGS]...

  Tools for skill authors. To run the cases, use `pytest --upskill`.

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit.

Commands:
  run       Run a CUDA program on the CPU, and report memory errors, races and
            barrier mistakes.
  new-case  Write the skeleton of a case.
  check     Judge the solution of a case, and show the values around the largest
            error.
  list      List skills, cases, tags and students.
  lint      Check the files of skills and cases, without running any code of
            theirs.
  runs      List the recorded runs, and import runs from JSON reports.
  compare   Compare two recorded runs.
  show      Show everything that was recorded of an item.
  report    Write a report of a recorded run.
  export    Write a passing kernel as a project for Hugging Face's kernel-
            builder.
  build     Build a kernel-builder project for the CPU.
  prune     Remove stored and recorded replies that no case uses.
"""
RUN_HELP = """\
Usage: pytest-upskill run [OPTIONS] FILE.cu... [-- ARGUMENT...]

  Compile a CUDA program and run it on the host.

  Reports what is wrong with its kernels: out-of-bounds accesses, races, barrier
  mistakes. FILE.cu are the program's sources, main included; arguments of the
  program itself follow after --.

Options:
  -I DIR                   Search this folder for headers.
  -D NAME[=VALUE]          Define a macro, as the compiler's -D does.
  -Xcompiler OPTION[,...]  Options for the host compiler, such as -fopenmp.
  --no-checks              Run at full speed, without checks.
  -h, --help               Show this message and exit.

  The exit status is the program's, 66 if something was reported, 2 if nothing
  could be run. There is no sandbox: run only programs that you trust. Example:
  pytest-upskill run -I include -D N=1024 main.cu kernels.cu -- --size 3
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
    assert CliRunner().invoke(main, ["--help"], prog_name="pytest-upskill").output == HELP
    assert CliRunner().invoke(main, ["run", "-h"], prog_name="pytest-upskill").output == RUN_HELP
    refused = call(pytester, "lnit")
    assert (refused.ret, refused.stdout.lines) == (2, [])
    refused.stderr.fnmatch_lines(["Error: No such command 'lnit'*"])


def test_the_help_loads_no_command(pytester: pytest.Pytester) -> None:
    code = (
        "import runpy, sys; sys.argv = ['x', '--help']\n"
        "try: runpy.run_module('pytest_upskill', run_name='__main__')\n"
        "except SystemExit as done: print(done.code, *({'torch', 'rich', 'pytest', 'tree_sitter'} & {*sys.modules}))"
    )
    assert pytester.run(sys.executable, "-c", code).stdout.lines[-1] == "0"


def test_the_console_script_and_its_version() -> None:
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {
        "pytest-upskill": "pytest_upskill.commands.main:main",
        "upskill-gen": "pytest_upskill.commands.generate.main:main",
    }
    assert CliRunner().invoke(main, ["--version"]).output == f"pytest-upskill, version {VERSION}\n"


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
            "skills/tiny/SKILL.md:4: warning: 'model' is a key of a single agent*",
            "skills/tiny/evals/scale.md:6: error: *'m'*",
            "1 skill: 3 errors, 1 warning",
        ]
    )


def test_lint_advises_a_solution_and_prints_no_escape_sequences(pytester: pytest.Pytester, skill: Path) -> None:
    (skill / "evals" / "scale.md").write_text(CASE.partition("## Solution")[0])
    (skill / "SKILL.md").write_text("---\nname: tiny\ndescription: Scales.\n---\nSee [it](references/\x1bred.md).\n")
    checked = call(pytester, "lint", "skills")
    assert (checked.ret, checked.stdout.lines[-1]) == (0, "1 skill: 0 errors, 2 warnings")
    checked.stdout.fnmatch_lines(["skills/tiny/evals/scale.md:1: warning: no '## Solution': *; add a right kernel"])
    assert "\x1b" not in checked.stdout.str()


def test_lint_names_cases_outside_the_folder_of_cases(pytester: pytest.Pytester, skill: Path) -> None:
    for name, text in (("scale.md", CASE), ("broken.md", CASE.replace("dims:", "dim:")), ("NOTES.md", "# Notes\n")):
        (skill / name).write_text(text)
    (skill / "posts.md").write_text("---\ntitle: A post\n---\nText.\n")
    lines = [line for line in call(pytester, "lint", "skills").stdout.lines if "outside evals/" in line]
    assert [line.partition(":")[0] for line in lines] == ["skills/tiny/broken.md", "skills/tiny/scale.md"]


def test_a_path_without_a_skill_is_a_usage_error(pytester: pytest.Pytester) -> None:
    for arguments, said in ((["nowhere"], "*there is no such skill*"), ([], "*the folder holds no SKILL.md: add one*")):
        for command in ("lint", "list"):
            refused = call(pytester, command, *arguments)
            assert refused.ret == 2
            refused.stderr.fnmatch_lines([said])


def test_list_shows_cases_and_names_those_that_cannot_be_read(pytester: pytest.Pytester, skill: Path) -> None:
    (skill / "evals" / "scale.md").write_text(CASE.replace("[elementwise]", "['[red]']"))
    shown = call(pytester, "list")
    assert shown.ret == 0
    assert [line.split() for line in shown.stdout.lines[:4]] == [
        ["skill", "case", "language", "contract", "device", "dtypes", "tags"],
        ["tiny", "scale", "cuda", "launcher", "cpu,", "cuda", "float32", "[red]"],
        [],
        ["student", "provider", "model", "endpoint", "key"],
    ]
    (skill / "evals" / "broken.md").write_text("---\nop: 3\n---\nNothing.\n")
    shown = call(pytester, "list", "skills")
    assert shown.ret == 1
    shown.stdout.fnmatch_lines(["tiny*broken*cannot be read*", "tiny*scale*"])
    shown.stderr.fnmatch_lines(["skills/tiny/evals/broken.md:*"])


TABLES = """
[tool.upskill.students.mine]
provider = "openai"
model = "my-model-7b"
base_url = "https://models.example/v1"
api_key_env = "MINE_KEY"

[tool.upskill.students.haiku]
model = "another-haiku"
"""


def test_list_shows_built_in_students_and_those_of_the_project(
    pytester: pytest.Pytester, skill: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "pyproject.toml").write_text(TABLES)
    (skill.parent / "empty").mkdir()
    (skill.parent / "empty" / "SKILL.md").write_text("---\nname: empty\ndescription: None.\n---\nBe brief.\n")
    monkeypatch.setenv("MINE_KEY", "secret-key")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.chdir(skill)  # the tables of a folder above count
    done = CliRunner().invoke(main, ["list", str(pytester.path)])
    rows = [line.split() for line in done.output.splitlines()]
    assert done.exit_code == 0
    assert ["empty", "no", "cases"] in rows
    assert ["mine", "openai", "my-model-7b", "https://models.example/v1", "MINE_KEY", "(set)"] in rows
    assert ["haiku", "anthropic", "another-haiku", "ANTHROPIC_API_KEY", "(not", "set)"] in rows
    assert {"golden", "glm-4.7", "demo", "files:DIR"} <= {row[0] for row in rows if row}
    assert "secret-key" not in done.output


@pytest.mark.parametrize("text", ["[tool.upskill.students.mine]\nprovider = 3\n", "[tool", "tool.upskill.students = 1"])
def test_list_names_a_students_table_that_cannot_be_read(
    pytester: pytest.Pytester, skill: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(pytester.path)
    (pytester.path / "pyproject.toml").write_text(text)
    done = CliRunner().invoke(main, ["list"])
    assert done.exit_code == 1
    assert "scale" in done.stdout and "kimi" in done.stdout
    assert "students" in done.stderr or "pyproject.toml" in done.stderr
