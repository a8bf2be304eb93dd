"""The commands on the history: those of docs/history.md, filters, and names that do not exist."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pytest_upskill.commands.main import main
from pytest_upskill.records.gating import Gate, GateKind, Gates
from pytest_upskill.reporting import render
from pytest_upskill.reporting.view import build_view
from tests.unit.html_pages import unpacked
from tests.unit.reporting_outcomes import outcome, run
from tests.unit.test_history_store import recorded, whole

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^pytest-upskill (.+?)(?:\s+#.*)?$", PAGE, re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs: the first fails in both arms, the second passes, the third has one case more."""
    cases = [replace(whole(case), student="glm-4.7") for case in ("softmax", "rms_norm")]
    both = [*cases, outcome("softmax", arm="baseline", failed={"reply": "no block"})]
    right = [outcome(case, reply="right", source="// right\n") for case in ("softmax", "rms_norm")]
    recorded(tmp_path, "one", *both)
    recorded(tmp_path, "two", *right, started="2026-11-24T00:00:00+00:00")
    recorded(tmp_path, "three", *right, outcome("new"), interrupted=True, unreached=(both[2].id,))
    (tmp_path / "ci").mkdir()
    report = render(build_view(both, run(session="ci", device="cuda")), ".json")
    (tmp_path / "ci" / "run.json").write_text(report, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def call(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_every_command_of_the_page_can_be_run(project: Path) -> None:
    assert len(COMMANDS) >= 12 and {words.split()[0] for words in COMMANDS} == {"runs", "compare", "show", "report"}
    outputs = {}
    for words in COMMANDS:
        done = call(*shlex.split(words.partition(" > ")[0]))
        assert (done.exit_code, bool(done.output)) == (0, True), f"{words}: {done.output}"
        outputs[words] = done.output
    assert outputs["compare 1 3"].index("fixed:") < outputs["compare 1 3"].index("added:")
    assert "not reached:\n  softmax · glm-4.7 · baseline" in outputs["compare 1 3"]
    assert "device: cuda → cpu" in outputs["compare ci/run.json last"]
    assert outputs['show "softmax[glm-4.7-skill]" --part=kernel > softmax.cu'] == "// right\n"
    assert (project / "reports" / "run.csv").read_text().startswith("id,kind,skill,")
    assert "\n# Skills\n" in outputs["report 2 --md"]


def test_a_page_has_the_verdicts_of_the_run_before(project: Path) -> None:
    for number, before in (("1", []), ("2", ["failed", "failed"])):
        assert call("report", number, "--html").exit_code == 0
        page = unpacked((project / f"run-{number}.html").read_text(encoding="utf-8"))
        assert sorted(filter(None, (item[5] for item in page["index"]["items"]))) == before


def test_a_folder_below_finds_the_history_above_and_show_has_every_part(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    shown = call("show", "rms_norm", "--run=1").output
    for text in (
        "Write rms_norm.", "Here.", "✗ correct[float16]  1 of 33 elements is off", "✓ inputs", "rows=1 cols=33",
        "x         [0.5]", "*1", "beyond what is allowed", "memory (out-of-bounds): line 8: reads x[33]",
        "4 kernel launches in 3 calls", "g++ 12", "turn 1: failed", "(after 7 characters of reasoning",
        "▶  9 │         sum += v * v;", "-  3 │",
    ):  # fmt: skip
        assert text in shown, text
    assert "Well" not in shown and "Well" in call("show", "rms_norm", "--run=1", "--part=reasoning").output
    passed = call("show", "rms_norm").output
    assert "✓ correct[float16]" in passed and "// right" in passed and "counterexample" not in passed


def test_a_report_has_the_gates_of_its_run_and_what_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    gates = Gates((Gate(GateKind.MIN_PASS_RATE, 0.5), Gate(GateKind.NO_REGRESSION, run="last")), {"other": ()}, True)
    recorded(tmp_path, "one", outcome())
    recorded(tmp_path, "two", outcome(failed={"reply": "no block"}), gates=gates)
    rows = json.loads(call("report", "--json").output)["gates"]
    assert [(row["gate"], row["verdict"], row["method"]) for row in rows] == [
        ("min-pass-rate", "INCONCLUSIVE", "interval"), ("no-regression", "INCONCLUSIVE", "interval")]  # fmt: skip
    text = call("report").output
    assert (
        "- **gate INCONCLUSIVE** no-regression, cuda-kernels glm-4.7: 1 case regressed; since run 1: rms\\_norm" in text
    )
    assert "## Since run 1 of " in text
    assert "gates" not in json.loads(call("report", "1", "--json").output)


def test_a_report_has_every_form_that_the_option_has(project: Path) -> None:
    for words, path in (
        ("upskill:out/results.csv", "out/results.csv"),
        ("badge:badge.json", "badge.json"),
        ("skill-creator:tree", "tree/cuda-kernels/glm-4.7/benchmark.json"),
        ("tree.json", "tree.json"),
    ):
        done = call("report", "2", "-o", words)
        assert done.exit_code == 0 and done.output == f"report: {words}\n"
        assert (project / path).read_text(encoding="utf-8")
    assert json.loads((project / "badge.json").read_text())["label"] == "skill lift"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("report 1 -o badge:b.txt", "--output: report 'badge:b.txt' must have the form badge:FILE.json"),
        ("report 1 -o skill-creator:ci", "--output: ci holds other files; name a new folder"),
        ("compare 9", "there is no run 9 in .*history.sqlite; the latest are 1, 2, 3"),
        ("compare one", "'one' is not a run: name a number that `pytest-upskill runs` shows, 'last', or a JSON report"),
        ("compare gone.json", r"gone.json cannot be read \(No such file or directory\); name a JSON report"),
        ("compare 1 2 --student=nobody", "runs 1 and 2 have no such item; leave out --skill, --student"),
        ("show sofmax", r"no item of this run is called 'sofmax'; did you mean 'softmax\[glm-4.7-skill\]'"),
        ("show glm", r"3 items are called 'glm': .*softmax\[glm-4.7-skill\].*; name one"),
        ("show new --part=kernel --run=2", "no item of this run is called 'new'"),
        ("show new --part=compiler", "run 3 has no compiler of .*new.*; leave out --part"),
        ("report 7", "there is no run 7"),
        ("report 1 -o run.xml", "no report is called '.xml'; accepted: .json, .md, .csv"),
        ("report 1 -o ci/run.json/x.md", "--output: .*x.md cannot be written"),
        ("report 1 -o ci", "--output: ci is a folder; name a file in it"),
        ("runs --import=ci", r"ci cannot be read \(Is a directory\)"),
    ],
)
def test_what_does_not_exist_is_named_with_the_next_step(project: Path, words: str, said: str) -> None:
    done = call(*shlex.split(words))
    assert done.exit_code == 2 and re.search(said, " ".join(done.output.split())), done.output


def test_without_a_history_the_first_step_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["runs"], ["compare"], ["show", "x"], ["report"]):
        done = call(*words)
        assert done.exit_code == 2 and "pytest --upskill records one" in done.output
    assert not (tmp_path / ".upskill").exists()


def test_a_first_run_has_none_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path, "one", outcome())
    monkeypatch.chdir(tmp_path)
    done = call("compare")
    assert done.exit_code == 2 and "there is no earlier run with an item of run 1" in done.output


def test_runs_are_listed_with_their_rates_and_filtered(project: Path) -> None:
    rows = [re.split(r"  +", line) for line in call("runs").output.splitlines()]
    assert [row[0] for row in rows] == ["run", "1", "2", "3"]
    assert "0/2 0%" in rows[1] and "0/1 0%" in rows[1] and "2/2 100%" in rows[2] and "interrupted" in rows[3][-1]
    assert len(call("runs", "--last=1").output.splitlines()) == 2
    assert len(call("runs", "--student=kimi").output.splitlines()) == 1
    assert json.loads(call("report", "3", "--json").output)["run"]["interrupted"] is True


def test_the_last_run_is_one_of_this_machine_if_there_is_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("runs", "--import=ci/run.json").output.startswith("run 4: ")
    assert call("show", "new").output.startswith("run 3\n")
    (project / "elsewhere" / ".upskill").mkdir(parents=True)
    monkeypatch.chdir(project / "elsewhere")
    assert call("runs", "--import=../ci/run.json").output.startswith("run 1: ")
    assert call("show", "rms_norm").output.startswith("run 1\n")
