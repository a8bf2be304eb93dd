"""The README is true: its commands are run and their output compared, its tables and cases are read by our own code."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pytest_upskill.cases.case_file import load_case
from pytest_upskill.contracts.launcher.signature import derive
from pytest_upskill.oracle.reference import result_dtypes
from pytest_upskill.session.options import OPTIONS
from pytest_upskill.students.registry import resolve

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(```|~~~~)(\w+)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)
BLOCKS = [(match.group(2), match.group(3)) for match in BLOCK.finditer(README)]


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def run(command: list[str], cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    scripts = str(Path(sys.executable).parent)
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    # The README shows what a pipe shows: no colour, 80 columns.
    plain = {
        key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "PY_COLORS", "PYTEST_ADDOPTS")
    }
    return subprocess.run(
        command, cwd=cwd, env={**plain, "PATH": path, "COLUMNS": "80", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("block", blocks("console"), ids=lambda text: text.splitlines()[0][:60])
def test_a_command_prints_what_the_readme_shows(block: str) -> None:
    first, _, shown = block.partition("\n")
    done = run(shlex.split(first.removeprefix("$ ")))
    difference = doctest.OutputChecker()
    if not difference.check_output(shown, done.stdout, doctest.ELLIPSIS):
        example = doctest.Example(first, shown)
        pytest.fail(difference.output_difference(example, done.stdout, doctest.ELLIPSIS | doctest.REPORT_NDIFF))


def test_the_options_are_those_of_the_help() -> None:
    (shown,) = blocks("text")
    printed = run([sys.executable, "-m", "pytest", "--help"]).stdout
    assert shown in printed
    assert all(option.flag in shown for option in OPTIONS)


def test_the_students_table_is_accepted() -> None:
    (text,) = blocks("toml")
    tables = tomllib.loads(text)["tool"]["upskill"]["students"]
    (config,) = resolve(["my-model"], tables, ROOT)
    assert (config.model, config.timeout, config.api_key_env) == ("my-model-7b", 600, "MY_MODEL_KEY")
    assert config.price is not None and config.price.cached == 0.01


def test_the_case_is_valid_and_passes_its_own_solution(tmp_path: Path) -> None:
    (text,) = blocks("markdown")
    path = tmp_path / "skills" / "rows" / "evals" / "scale_rows.md"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    (path.parents[1] / "SKILL.md").write_text(
        "---\nname: rows\ndescription: Kernels over rows. Use for rows.\n---\nBe careful.\n", encoding="utf-8"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    case = load_case(path, "rows")
    assert derive(case, result_dtypes(case)).template
    done = run([sys.executable, "-m", "pytest", "skills", "--upskill"], cwd=tmp_path)
    assert "3 passed" in done.stdout, done.stdout


def shell_lines() -> list[str]:
    lines = [line.partition("  #")[0].strip() for text in blocks("sh") for line in text.splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("make ")])
def test_a_target_of_make_exists(line: str) -> None:
    done = run([*shlex.split(line), "--dry-run"])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("pytest ")])
def test_a_call_of_pytest_collects_items(line: str) -> None:
    done = run([sys.executable, "-m", *shlex.split(line), "--collect-only", "-q", "-p", "no:cacheprovider"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "softmax[glm-4.7-skill]" in done.stdout


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"console", "text", "toml", "markdown", "sh"}
    known = (
        "make ",
        "pytest ",
        "git clone ",
        "llama-server ",
        "pip install ",
        "python -m pytest_upskill prune",
    )
    assert all(line.startswith(known) for line in shell_lines())


def test_the_extras_that_the_readme_names_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(extras) <= set(re.findall(r"\[([a-z-]+)\]", README))
