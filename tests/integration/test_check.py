"""``pytest-upskill check``: what it shows of solutions that pass, that are wrong, and that do not compile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pytest_upskill.commands.main import main
from pytest_upskill.commands.new_case import skeleton

SCHEMA = "blend(Tensor x, Tensor weight, float alpha) -> Tensor"
TASK = "`out[r, c] = alpha * x[r, c] + weight[c]`"
RIGHT = "out[i] = alpha * x[i] + weight[i % cols]"
WRONG = " + (rows > 2 && cols > 2 && i == rows * cols - 1)"
PYTHON = "def halve(x: torch.Tensor) -> torch.Tensor:\n    return x{half}\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Writes ``blend.md`` from its skeleton, with a line of its kernel, and changes of the text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    path = Path("skills/tiny/evals/blend.md")
    path.parent.mkdir(parents=True)

    def written(line: str = RIGHT, *changes: tuple[str, str]) -> str:
        text = skeleton(SCHEMA, path, "cuda").replace("TODO: say what `blend` computes", TASK)
        text = re.sub("raise NotImplemented.*", "return alpha * x + weight", text)
        text = re.sub(r"out\[i\] = 0;.*", f"{line};", text)
        text = text.replace("  n: 1..4096", "  rows: 1..16\n  cols: 1..16\nexamples: 3")
        text = text.replace("x: [n]", "x: [rows, cols]").replace("weight: [n]", "weight: [cols]")
        text = text.replace("int64_t n)", "int64_t rows, int64_t cols)").replace(
            "int64_t n,", "int64_t rows, int64_t cols,"
        )
        text = (
            text.replace("i < n", "i < rows * cols")
            .replace("(n + 255)", "(rows * cols + 255)")
            .replace(", n)", ", rows, cols)")
        )
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return str(path)

    return written


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments], catch_exceptions=False)


def test_a_skeleton_that_is_filled_in_passes_and_the_numbers_are_shown(write) -> None:  # type: ignore[no-untyped-def]
    done = check(write(), "--seed", "3")
    assert done.exit_code == 0, done.output
    assert re.search(r"✓ blend: its solution passes on \d+ examples  \(cpu device, seed 3\)", done.output)
    assert "TODO" not in done.output
    for row in ("x[", "weight[", "out[", "expected", "got", "error", "allowed"):
        assert re.search(rf"^    {re.escape(row)}.*\d\]?$", done.output, re.MULTILINE), row
    assert re.search(r"^    alpha = \S+  rows = \d+  cols = \d+$", done.output, re.MULTILINE)
    assert re.search(r"launches  1 kernel in each of \d+ calls", done.output)
    assert re.search(r"compiler  \S+ [\d.]+: no errors", done.output)
    assert "--full" in done.output  # what was not tried


def test_wrong_values_are_shown_beside_the_inputs_that_they_come_from(write) -> None:  # type: ignore[no-untyped-def]
    path = write(RIGHT + WRONG)
    done = check(path)
    assert done.exit_code == 1
    assert "✗ correct[float32]" in done.output and "around    out[2, 2]" in done.output
    values = {
        name: cells.split()
        for name, cells in re.findall(r"^    (\w+)(?:\[[\d, :]+\])? +(.+)$", done.output, re.MULTILINE)
    }
    place = values["out"].index("▶[2]")
    wrong, right = float(values["got"][place]), float(values["expected"][place])
    assert wrong - right == pytest.approx(1, rel=1e-3)
    assert float(values["error"][place]) == pytest.approx(1, rel=1e-3)
    assert values["got"][0] == values["expected"][0]
    alpha = float(re.search(r"alpha = (\S+)", done.output)[1])  # type: ignore[index]
    x, weight = float(values["x"][place]), float(values["weight"][place])
    assert alpha * x + weight == pytest.approx(right, rel=1e-3, abs=1e-4)
    line = Path(path).read_text().splitlines().index(f"    {RIGHT}{WRONG};") + 1
    assert f"{path}:{line}" in done.output
    again = re.search(r"replay: pytest-upskill check (\S+) \\\s+--example='([^']+)'", done.output)
    assert again is not None
    repeated = check(again[1], "--example", again[2])
    assert repeated.exit_code == 1 and "around    out[2, 2]" in repeated.output


def test_the_compilers_words_name_the_line_of_the_case(write) -> None:  # type: ignore[no-untyped-def]
    path = write("out[i] = alpha * y[i]")
    done = check(path)
    line = Path(path).read_text().splitlines().index("    out[i] = alpha * y[i];") + 1
    assert done.exit_code == 1
    assert re.search(rf"compiler  \S+ [\d.]+: it says:[^✗]*\n    {path}:{line}:.*'y' was not declared", done.output)
    assert "kernel.cu" not in done.output and "around" not in done.output


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("return alpha * x + weight", 'raise ValueError("odd")')], r"blend.md:\d+: .*raised ValueError: odd"),
        ([("weight: [cols]", "weight: [columns]")], r"blend.md:\d+: .*'columns'"),
        ([("\nvoid blend(", "\nvoid blended(")], r"contract[\s\S]*asked for:\n *void blend\("),
    ],
)
def test_a_case_that_cannot_be_judged_is_a_failure_with_its_line(write, changes, message) -> None:  # type: ignore[no-untyped-def]
    done = check(write(RIGHT, *changes))
    assert done.exit_code == 1
    assert re.search(message, re.sub(r"\n(?! *void)", " ", done.output) if "contract" not in message else done.output)


def test_a_task_that_is_not_written_yet_is_a_warning(write) -> None:  # type: ignore[no-untyped-def]
    done = check(write(RIGHT, (TASK, "TODO: say it")), "--seed", "3")
    assert done.exit_code == 0 and "warning: the task" in done.output


def test_a_function_is_judged_as_well(write) -> None:  # type: ignore[no-untyped-def]
    path = Path(write()).with_name("halve.md")
    text = skeleton("halve(Tensor x) -> Tensor", path, "python").replace("TODO: say", "Halve `x`:")
    text = re.sub("raise NotImplemented.*", "return x / 2", text, count=1).replace("dims:", "examples: 2\ndims:")
    text = re.sub(r"def halve\(x: [\s\S]*?(?=~~~)", PYTHON, text)
    path.write_text(text.replace("{half}", " / 2"))
    done = check(str(path))
    assert done.exit_code == 0 and "expected" in done.output and "launches" not in done.output
    path.write_text(text.replace("{half}", " * 2"))
    done = check(str(path))
    assert done.exit_code == 1 and "✗ correct[float32]" in done.output and "around    out[0]" in done.output


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("skills/tiny", "is not a case"),
        ("skills/tiny/evals/blnd.md", "does not exist; the folder has blend.md"),
        ("tiny/blend", "tiny/blend does not exist; did you mean skills/tiny/evals/blend.md?"),
        ("nowhere/x.md", "pytest-upskill new-case"),
        ("skills/tiny/evals/text.md", "is a text case"),
    ],
)
def test_what_is_no_case_is_a_usage_error(write, path: str, message: str) -> None:  # type: ignore[no-untyped-def]
    folder = Path(write()).parent
    (folder.parent / "SKILL.md").write_text("---\nname: tiny\ndescription: Tiny kernels.\n---\n")
    if path.endswith("text.md"):
        (folder / "text.md").write_text("---\nexpect: {contains: [warp]}\n---\nWhat is a warp?\n")
    done = check(path)
    assert done.exit_code == 2 and message in done.output


def test_a_case_without_a_solution_names_what_is_missing(write) -> None:  # type: ignore[no-untyped-def]
    path = Path(write())
    path.write_text(path.read_text().partition("## Solution")[0])
    done = check(str(path))
    assert done.exit_code == 1 and "no '## Solution'" in done.output


@pytest.mark.full
def test_all_is_tried_with_full(write) -> None:  # type: ignore[no-untyped-def]
    done = check(write(), "--full")
    assert done.exit_code == 0, done.output
    assert "1 of 1 case rejects wrong results" in done.output
    assert re.search(r"\d+ of \d+ mutants of its solution killed", done.output)
    constant = check(write("out[i] = 1", ("return alpha * x + weight", "return torch.ones_like(x)")), "--full")
    assert constant.exit_code == 1 and "rejects[ones]" in constant.output
