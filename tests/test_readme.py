"""README, CONTRIBUTING and docs/ are true: commands are run, cases and tables are read, links and options exist."""

from __future__ import annotations

import ast
import configparser
import doctest
import html
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML

from pytest_upskill.cases.case_file import load_case
from pytest_upskill.commands.generate.main import main as generate
from pytest_upskill.contracts.launcher.signature import derive
from pytest_upskill.oracle.explore import CHECKS
from pytest_upskill.oracle.reference import result_dtypes
from pytest_upskill.session.options import OPTIONS
from pytest_upskill.students.registry import resolve
from tests.hostile import suite

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md")))
}
README = PAGES["README.md"]
TEXT = "".join(PAGES.values())
BLOCK = re.compile(r"^(````|```|~~~~)(\w+)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)
BLOCKS = [(page, match[2], match[3]) for page, text in PAGES.items() for match in BLOCK.finditer(text)]


def blocks(language: str, page: str = "") -> list[str]:
    return [text for place, name, text in BLOCKS if name == language and page in ("", place)]


def run(command: list[str], cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    scripts = str(Path(sys.executable).parent)
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    # The pages show what a pipe shows: no colour, 80 columns.
    plain = {
        key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "PY_COLORS", "PYTEST_ADDOPTS")
    }
    return subprocess.run(
        command, cwd=cwd, env={**plain, "PATH": path, "COLUMNS": "80", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- commands and output


FIRST_CASE = "docs/first-case.md"
KERNEL_BUILDER = "docs/kernel-builder.md"
STORIES = (FIRST_CASE, "docs/upskill-gen.md", "docs/importing.md", KERNEL_BUILDER)
"""The commands of each of these pages belong together, and have a test of their own."""
SHOWN = [text for page, language, text in BLOCKS if language == "console" and page not in STORIES]


LARGE = "-k"
"""In a command that judges several cases in both arms, which takes half a minute."""


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(text, id=f"{first[:60]}@console", marks=[pytest.mark.full] * (LARGE in first.split()))
        for text in SHOWN
        for first in text.splitlines()[:1]
    ],
)
def test_a_command_prints_what_is_shown(block: str) -> None:
    first, _, shown = block.partition("\n")
    compare(first, shown, run(shlex.split(first.removeprefix("$ "))).stdout)


def compare(command: str, shown: str, printed: str) -> None:
    # Nothing is built yet on a fresh machine, and a run says that it waits.
    printed = re.sub(r"\n(?:upskill waits for .*\n)+", "", printed)
    difference = doctest.OutputChecker()
    if not difference.check_output(shown, printed, doctest.ELLIPSIS):
        example = doctest.Example(command, shown)
        pytest.fail(difference.output_difference(example, printed, doctest.ELLIPSIS | doctest.REPORT_NDIFF))


def shell_lines(page: str = "") -> list[str]:
    text = "".join(blocks("sh", page)).replace("\\\n", "")
    return [line for line in (line.partition("  #")[0].strip() for line in text.splitlines()) if line]


STEP = re.compile(
    r"`([\w./-]+\.\w+)`[^`\n]*:\n\n````\w+\n(.*?)^````$|^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
IN_ORDER = """
import os, shlex, subprocess, sys, traceback
import pytest
from pytest_upskill.commands.main import main
from pytest_upskill.commands.generate.main import main as generate
def call(words):
    if words[0] == "pytest":
        return int(pytest.main([*words[1:], "-p", "no:cacheprovider", "-W", "ignore"]))
    if words[0] == "pytest-upskill":
        return main.main(words[1:], prog_name=words[0], standalone_mode=False) or 0
    if words[0] == "upskill-gen":
        return generate.main(words[1:], prog_name=words[0], standalone_mode=False) or 0
    words[0] = sys.executable if words[0] == "python" else words[0]
    return subprocess.run(words, check=True).returncode
for step in sys.argv[1:]:
    kind, _, rest = step.partition(chr(0x1f))
    if kind != "$":
        os.makedirs(os.path.dirname(kind) or ".", exist_ok=True)
        open(kind, "w", encoding="utf-8").write(rest)
        continue
    sys.stdout.flush()
    try:
        status = call(shlex.split(rest))
    except SystemExit as done:
        status = done.code
    except BaseException:
        status = traceback.format_exc()
    print(f"{chr(0x1e)}{status}", end=chr(0x1f), flush=True)
"""
"""Writes files and calls commands in one process, since importing PyTorch takes the longest."""


def told(page: str, folder: Path) -> list[tuple[str, str, str, str]]:
    """Follows a page: writes its files and calls its commands in order. Returns of each command what the page shows,
    what it printed, and its exit status.
    """
    steps, shown = [], []
    for path, text, console in STEP.findall(PAGES[page]):
        for part in console.split("$ ")[1:]:
            command, _, output = part.partition("\n")
            steps.append(f"$\x1f{command}")
            shown.append((command, output))
        if path:
            steps.append(f"{path}\x1f{text}")
    assert [path for path, *_ in STEP.findall(PAGES[page])].count("") == PAGES[page].count("```console")
    done = run([sys.executable, "-c", IN_ORDER, *steps], folder)
    printed = [one.partition("\x1e") for one in done.stdout.split("\x1f")[:-1]]
    assert len(printed) == len(shown), done.stdout + done.stderr
    return [(*one, text, status) for one, (text, _, status) in zip(shown, printed, strict=True)]


def test_the_first_case_can_be_written_by_following_its_page(tmp_path: Path) -> None:
    for command, output, text, status in told(FIRST_CASE, tmp_path):
        assert status in ("0", "1"), f"{command}: {text}"
        assert (status == "1") == ("✗" in output), f"{command}: {text}"
        compare(command, output, text)


@pytest.mark.full
def test_a_skill_can_be_written_by_following_the_page_on_upskill_gen(tmp_path: Path) -> None:
    steps = told("docs/upskill-gen.md", tmp_path)
    for command, output, text, status in steps:
        expected = "3" if "continues from here" in output else "1" if "✗ correct" in output else "0"
        assert status == expected, f"{command}: {text}"
        compare(command, output, text)
    assert len(list((tmp_path / "skills/audio-kernels/evals").glob("*.md"))) == 3
    assert len(steps) == 9


@pytest.mark.full
def test_the_commands_that_import_do_what_their_page_shows(tmp_path: Path) -> None:
    steps = told("docs/importing.md", tmp_path)
    for command, output, text, status in steps:
        assert status == ("3" if "continues from here" in output else "0"), f"{command}: {text}"
        compare(command, output, text)
    assert {command.split()[1] for command, *_ in steps} == {
        "import-upskill", "import-evals", "import-kernelbench", "import-sol", "from-function", "from-trace", "from-docs"
    }  # fmt: skip
    assert run(["upskill-gen", "lint", "skills"], tmp_path).returncode == 0


GENERATING = [line for line in shell_lines() if line.startswith("upskill-gen ")]


@pytest.mark.full
def test_a_kernel_can_be_exported_built_tested_and_judged_by_following_the_page(tmp_path: Path) -> None:
    pytest.importorskip("kernels")
    shutil.copytree(ROOT / "skills" / "cuda-kernels", tmp_path / "skills" / "cuda-kernels")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for command, shown, printed, status in told(KERNEL_BUILDER, tmp_path):
        compare(command, shown, printed)
        assert status == "0", f"{command}: {printed}"


@pytest.mark.parametrize("line", GENERATING)
def test_a_call_of_upskill_gen_has_arguments_that_its_command_takes(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = generate.get_command(click.Context(generate), name)
    assert command is not None
    command.make_context(name, arguments)


def test_the_page_on_upskill_gen_lists_its_commands() -> None:
    listed = set(re.findall(r"(?m)^\| `upskill-gen ([a-z-]+)", PAGES["docs/upskill-gen.md"]))
    assert listed >= set(generate.list_commands(click.Context(generate)))


def test_the_first_case_explains_every_assertion() -> None:
    first = re.findall(r"^\| `([\w-]+)", PAGES[FIRST_CASE].partition("## What an error means")[2], re.MULTILINE)
    assert {"contract", "compiles", *CHECKS, "rejects", "varies"} <= set(first)
    assert f"]({FIRST_CASE})" in README


def test_the_picture_shows_what_the_readme_quotes_of_the_same_command() -> None:
    """Renew it with ``python tools/terminal_picture.py``."""
    svg = (ROOT / "docs" / "run.svg").read_text(encoding="utf-8")
    pictured = re.sub(r"\s", "", html.unescape(re.sub(r"<[^>]*>", "", svg)))
    (block,) = [text for text in blocks("console") if "files:docs/example-replies" in text]
    command, *shown = block.replace(" ...", "").splitlines()
    assert re.sub(r"\s", "", command.replace('"', "'")) in pictured.replace("\\", "")
    lines = [re.sub(r"\s", "", line) for line in shown if line != "..."]
    assert [line for line in lines if line not in pictured] == []


@pytest.mark.parametrize("line", sorted({line for line in shell_lines() if line.startswith("make ")}))
def test_a_target_of_make_exists(line: str) -> None:
    done = run([*shlex.split(line), "--dry-run"])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([\w-]+)`", TEXT))))
def test_a_target_of_make_in_a_sentence_exists(target: str) -> None:
    done = run(["make", target, "--dry-run"])
    assert done.returncode == 0, done.stderr


CALLS = [
    line for page in PAGES if page not in STORIES for line in shell_lines(page) if line.startswith("pytest ")
]  # those of a story are about its own skill
COLLECT = """
import shlex, sys, pytest
for line in sys.argv[1:]:
    status = pytest.main([*shlex.split(line)[1:], "--collect-only", "-q", "-p", "no:cacheprovider"])
    print(f"exit status {int(status)}", end="\\0", flush=True)
"""


@cache
def collected() -> dict[str, str]:
    """What each of CALLS prints with ``--collect-only``: one process for all, since its start takes the longest."""
    done = run([sys.executable, "-c", COLLECT, *CALLS])
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(zip(CALLS, done.stdout.split("\0")[:-1], strict=True))


@pytest.mark.parametrize("line", CALLS, ids=lambda line: f"{line}@calls")
def test_a_call_of_pytest_collects_items(line: str) -> None:
    assert collected()[line].endswith("exit status 0"), collected()[line]
    assert "softmax[glm-4.7-skill]" in collected()[line]


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for _, language, _ in BLOCKS} <= {
        "console", "text", "toml", "markdown", "sh", "yaml", "python", "pycon", "ini",
        "csv", "xml", "json",  # of reports: tests/unit/test_reports_page.py
    }  # fmt: skip
    known = (
        "make ",
        "pytest ",
        "pytest-upskill ",
        "upskill-gen ",
        "git clone ",
        "llama-server ",
        "pip ",
        "keyring ",
        "docker run ",
    )
    assert [line for line in shell_lines() if not line.startswith(known)] == []


@pytest.mark.parametrize("text", blocks("python"))
def test_python_can_be_parsed(text: str) -> None:
    assert ast.parse(text).body


@pytest.mark.parametrize("text", blocks("ini"))
def test_values_of_an_ini_file_are_accepted(text: str) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(f"[pytest]\n{text}")
    options = {option.dest: option for option in OPTIONS}
    assert all(options[name].parse(value.strip()) for name, value in parser["pytest"].items())


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_can_be_parsed(text: str) -> None:
    assert YAML(typ="safe").load(text)


# ---------------------------------------------------------------------------------------- options, commands and tables


@cache
def options() -> dict[str, str]:
    """Each option as ``--help`` writes it, with its help text."""
    printed = run([sys.executable, "-m", "pytest", "--help"], COLUMNS="1000").stdout
    return dict(re.findall(r"^  (--upskill\S*)\s+(.+)$", printed, re.MULTILINE))


def test_the_options_are_those_of_the_help() -> None:
    table = ["| option | meaning |", "|---|---|", *(f"| `{option}` | {text} |" for option, text in options().items())]
    assert "\n".join(table) in README, "the table of options should be:\n" + "\n".join(table)


def test_every_option_that_is_named_exists() -> None:
    known = {option.partition("=")[0] for option in options()}
    assert set(re.findall(r"--upskill(?:-[a-z]+)*", TEXT)) <= known


def test_every_command_that_is_named_exists_and_is_in_the_readme() -> None:
    printed = run([sys.executable, "-m", "pytest_upskill", "--help"]).stdout
    named = re.compile(r"(?:`|\$ )pytest-upskill ([a-z-]+)")
    assert (
        set(named.findall(TEXT))
        == set(named.findall(README))
        == set(re.findall(r"(?m)^  ([a-z][a-z-]*)  +\S", printed))
    )


def test_the_students_table_is_accepted() -> None:
    tables = tomllib.loads("\n".join(blocks("toml")))["tool"]["upskill"]["students"]
    (config,) = resolve(["my-model"], tables, ROOT)
    assert (config.model, config.timeout, config.api_key_env) == ("my-model-7b", 600, "MY_MODEL_KEY")
    assert config.price is not None and config.price.cached == 0.01


def test_the_extras_that_the_readme_names_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(extras) <= set(re.findall(r"\[([a-z-]+)\]", README))


def test_the_wheels_for_a_gpu_machine_are_all_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (line,) = [line for line in shell_lines("docs/gpu.md") if line.startswith("pip download ")]
    names = {re.split(r"[^\w.-]", text)[0] for text in project["dependencies"]}
    assert names - {"torch"} <= set(line.split())


# ------------------------------------------------------------------------------------------------- cases and replies


@pytest.mark.parametrize("page", ["README.md", "docs/cases.md", "docs/languages.md"])
def test_the_case_on_a_page_is_valid(page: str, tmp_path: Path) -> None:
    (text,) = blocks("markdown", page)
    path = tmp_path / "a_case.md"
    path.write_text(text, encoding="utf-8")
    assert load_case(path, "rows").task


@pytest.mark.full
def test_the_complete_case_passes_its_own_solution(tmp_path: Path) -> None:
    (text,) = blocks("markdown", "docs/cases.md")
    path = tmp_path / "skills" / "rows" / "evals" / "scale_rows.md"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    (path.parents[1] / "SKILL.md").write_text(
        "---\nname: rows\ndescription: Kernels over rows. Use for rows.\n---\nBe careful.\n", encoding="utf-8"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    case = load_case(path, "rows")
    assert derive(case, result_dtypes(case)).template
    done = run([sys.executable, "-m", "pytest", "skills", "--upskill", "-k", "spec or golden"], cwd=tmp_path)
    assert "2 passed" in done.stdout, done.stdout


def test_the_hostile_reply_is_one_of_ours() -> None:
    (text,) = blocks("markdown", "CONTRIBUTING.md")
    files = (suite.HERE / "replies").rglob("*.md")
    assert text in {path.read_text(encoding="utf-8") for path in files}


# ------------------------------------------------------------------------------------------------------------- links


def anchors(text: str) -> set[str]:
    """The anchors of a page: its headings as GitHub spells them, and explicit ones."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_a_page_starts_with_what_it_is_for(page: str) -> None:
    assert "This page " in PAGES[page].split("\n\n")[1]
