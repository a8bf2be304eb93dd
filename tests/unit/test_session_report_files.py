"""Writing reports: in their places, or beside them; no results are lost, and no other files either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_upskill.configuration import settings
from pytest_upskill.configuration.settings import ReportTarget
from pytest_upskill.configuration.values import reports
from pytest_upskill.errors import UsageError
from pytest_upskill.reporting.view import View, build_view
from pytest_upskill.session import report_files
from pytest_upskill.session.report_files import ReportFiles
from tests.unit.reporting_outcomes import outcome, run


@pytest.fixture(autouse=True)
def _own_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))


def view() -> View:
    return build_view([outcome(), outcome("softmax", failed={"reply": "\ud800 none"})], run())


def target(text: str, folder: Path) -> ReportTarget:
    (given,) = reports(text)
    return ReportTarget.of(given, folder)


def written(text: str, folder: Path) -> ReportFiles:
    files = ReportFiles(folder)
    files.write(target(text, folder), view())
    return files


def side_file(problem: str) -> Path:
    return Path(problem.rpartition("the results are in ")[2])


@pytest.mark.parametrize("name", ["a.json", "B.MD", "c.csv", "upskill:results.csv", "badge:badge.json"])
def test_a_report_is_checked_and_written_in_its_place(tmp_path: Path, name: str) -> None:
    target(f"{name}", tmp_path).check()
    files = written(name, tmp_path)
    path = tmp_path / name.rpartition(":")[2]
    assert (files.written, files.problems) == ([f"report: {path}"], [])
    assert path.read_text(encoding="utf-8")


def test_a_folder_that_disappears_during_the_run_costs_no_results(tmp_path: Path) -> None:
    files = written("gone/run.json", tmp_path)
    (problem,) = files.problems
    assert problem.startswith(f"report {tmp_path}/gone/run.json failed: FileNotFoundError: its folder is missing; ")
    assert side_file(problem).parent == tmp_path / ".upskill" / "reports"
    assert len(json.loads(side_file(problem).read_text(encoding="utf-8"))["items"]) == 2


def test_a_full_disk_costs_no_results_and_leaves_the_old_report_alone(tmp_path: Path) -> None:
    (tmp_path / "run.csv").symlink_to("/dev/full")
    target("run.csv", tmp_path).check()
    (problem,) = written("run.csv", tmp_path).problems
    assert "OSError: No space left on device" in problem
    assert len(side_file(problem).read_text(encoding="utf-8").splitlines()) == 3


def test_the_side_file_is_a_temporary_one_if_the_project_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".upskill").write_text("a file where a folder should be")
    (problem,) = written("gone/run.md", tmp_path).problems
    assert side_file(problem).is_relative_to(tmp_path / "temporary")
    assert side_file(problem).suffix == ".md"


def test_a_report_that_cannot_be_made_leaves_the_results_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(view: View, form: str, earlier: object) -> str:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(report_files, "render", refuse)
    (problem,) = written("run.md", tmp_path).problems
    assert "run.md failed: ZeroDivisionError: a bug; " in problem
    items = json.loads(side_file(problem).read_text(encoding="utf-8"))
    assert [item["verdict"]["kind"] for item in items] == ["passed", "failed"]


def test_results_that_fit_nowhere_are_admitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".upskill").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    (problem,) = written("gone/run.md", tmp_path).problems
    assert problem.endswith("and the results could be written nowhere else")


def test_a_link_keeps_leading_to_its_report(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "run.json").symlink_to("real.json")
    assert written("run.json", tmp_path).problems == []
    assert (tmp_path / "run.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text(encoding="utf-8"))["schema"] == 1


def test_skill_creators_folder_is_replaced_and_feedback_stays(tmp_path: Path) -> None:
    target("skill-creator:out", tmp_path).check()
    assert written("skill-creator:out", tmp_path).problems == []
    student = tmp_path / "out" / "cuda-kernels" / "glm-4.7"
    (student / "feedback.json").write_text("{}")
    (student / "eval-9").mkdir()
    target("skill-creator:out", tmp_path).check()
    assert written("skill-creator:out", tmp_path).problems == []
    assert sorted(path.name for path in student.iterdir()) == ["benchmark.json", "eval-1", "eval-2", "feedback.json"]


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(UsageError, match="mine holds other files; name a new folder, or one that holds an earlier"):
        target("skill-creator:mine", tmp_path).check()
    (problem,) = written("skill-creator:mine", tmp_path).problems
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    assert json.loads(side_file(problem).read_text(encoding="utf-8"))["schema"] == 1


def test_a_full_disk_is_found_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    for text in ("run.json", "skill-creator:out", "badge:b.json"):
        with pytest.raises(UsageError, match=r"cannot be written \(No space left on device\)"):
            target(text, tmp_path).check()
    assert settings.FOLDER_MARKER not in [path.name for path in tmp_path.rglob("*")]
    assert not list(tmp_path.glob(".writing*"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("out.xml", "report 'out.xml' must end in one of .json, .md, .csv, .html"),
        ("out", "report 'out' must end in one of .json, .md, .csv, .html"),
        (
            "skillcreator:out",
            "report 'skillcreator:out' must end in one of .json, .md, .csv, .html, or be skill-creator:DIR, "
            "upskill:FILE.csv, badge:FILE.json",
        ),
        ("badge:out.svg", "report 'badge:out.svg' must have the form badge:FILE.json"),
        ("upskill:", "report 'upskill:' must have the form upskill:FILE.csv"),
        ("skill-creator:", "report 'skill-creator:' must have the form skill-creator:DIR"),
    ],
)
def test_an_unknown_form_is_refused_with_the_accepted_ones(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        reports(text)
    assert str(caught.value) == message


def test_a_colon_in_a_path_is_no_form(tmp_path: Path) -> None:
    assert target("a:b.json", tmp_path) == ReportTarget(".json", tmp_path / "a:b.json")


def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path, times: int = 1) -> ReportFiles:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    files = ReportFiles(tmp_path)
    for _ in range(times):
        files.add_step_summary(view())
    return files


def test_the_steps_summary_is_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "summary"
    path.write_text("of an earlier step\n")
    files = summary(tmp_path, monkeypatch, path, times=2)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("of an earlier step\n")
    assert text.count("# Skills") == 2
    assert (files.written, files.problems) == ([], [])


def test_a_steps_summary_that_cannot_be_written_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / "long"
    long.write_bytes(b"x" * 999_900)
    for path, why in ((tmp_path / "no" / "summary", "No such file or directory"), (long, "it would exceed the 1 MB")):
        files = summary(tmp_path, monkeypatch, path)
        assert files.problems == []
        assert why in files.written[0]
    assert long.stat().st_size == 999_900


def test_without_the_variable_no_summary_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    files = ReportFiles(tmp_path)
    files.add_step_summary(view())
    assert files.written == []
