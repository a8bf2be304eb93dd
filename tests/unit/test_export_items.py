"""Which recorded items are exported, and what is said of the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_upskill.cases.case_file import load_case
from pytest_upskill.commands.main import main
from pytest_upskill.errors import UsageError
from pytest_upskill.export import items
from pytest_upskill.export.items import Exported, export_item, export_run
from pytest_upskill.languages.torch_extension.project import File, Project
from pytest_upskill.records import ItemKind, Outcome, Verdict, VerdictKind
from pytest_upskill.session import exporting
from tests.unit.export_cases import INFO, case, case_of_skill, passed
from tests.unit.kernel_builder_cases import FILES, text
from tests.unit.test_export_folder import contents
from tests.unit.test_history_store import recorded


def test_an_item_becomes_a_project_with_a_card_that_says_where_it_comes_from(tmp_path: Path) -> None:
    of = case_of_skill("axpy")
    outcome = replace(passed(of), student="glm-4.7", id="skills/cuda-kernels/SKILL.md::axpy[glm-4.7-skill]")
    info = replace(INFO, students={"glm-4.7": {"model": "a/model:Q4"}})
    exported = export_item(outcome, of, info, tmp_path)
    assert exported == Exported(outcome, tmp_path / "axpy", True)
    card = (tmp_path / "axpy" / "CARD.md").read_text()
    for shown in ("| skill | cuda-kernels |", "the model `glm-4.7` (`a/model:Q4`), with the skill", "A processor",
                 "pytest-upskill 0.1.0, on the device `cpu`", "passed: `reply`, `runs`", "library_name: kernels",
                 "- `y`: shape [n], float32, float16 or bfloat16, updated in place.", "| `y` | float16 |"):  # fmt: skip
        assert shown in card
    first = contents(tmp_path / "axpy")
    assert not export_item(outcome, of, info, tmp_path).fresh
    export_item(outcome, of, info, tmp_path / "again")
    assert contents(tmp_path / "again" / "axpy") == first


def test_a_task_that_the_builder_would_fill_in_stays_as_it_is(tmp_path: Path) -> None:
    of = replace(case(), task="Write {{ x }} twice.")
    export_item(passed(of), of, INFO, tmp_path)
    assert "{% raw %}Write {{ x }} twice.{% endraw %}" in (tmp_path / "twice" / "CARD.md").read_text()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"verdict": Verdict(VerdictKind.FAILED, "wrong")}, "it is 'failed', and only kernels that passed"),
        ({"verdict": Verdict(VerdictKind.INCONCLUSIVE, "?")}, "it is 'inconclusive'"),
        ({"kind": ItemKind.MUTANTS}, "it has no kernel; name an item of a student"),
        ({"source": None}, "it has no kernel"),
        ({"case_digest": "0" * 64}, "has changed since the kernel was judged; run the item again"),
    ],
)
def test_other_items_are_not_exported(tmp_path: Path, change: dict[str, object], says: str) -> None:
    of = case()
    with pytest.raises(UsageError, match=f"cannot be exported: .*{says}"):
        export_item(replace(passed(of), **change), of, INFO, tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_cases_of_other_contracts_and_generated_ones_are_not_exported(tmp_path: Path) -> None:
    of = case()
    with pytest.raises(UsageError, match="its contract is 'function'; projects are written for launcher and"):
        export_item(passed(of), replace(of, contract="function", language="python"), INFO, tmp_path)
    with pytest.raises(UsageError, match=r"was generated, .* accept it first: upskill-gen accept"):
        export_item(passed(of), replace(of, trusted=False), INFO, tmp_path)
    with pytest.raises(UsageError, match="the Hub accepts no kernel called 'x'"):
        export_item(passed(of), replace(of, name="x"), INFO, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_reply_that_is_a_project_is_exported_as_it_is_with_a_card_and_tests(tmp_path: Path) -> None:
    path = tmp_path / "skills" / "s" / "evals" / "scale.md"
    path.parent.mkdir(parents=True)
    path.write_text(text())
    of = load_case(path, "s")
    project = Project(tuple(File(name, one) for name, one in FILES.items()))
    source = project.text
    exported = export_item(passed(of, "kimi", source), of, INFO, tmp_path / "out")
    assert exported.folder.name == "scale-rows"
    found = contents(exported.folder)
    for name, one in project.texts.items():
        assert found[name].decode() == one
    added = set(found) - set(project.texts)
    assert {"CARD.md", "tests/test_scale_rows.py", "tests/scale_rows_reference.py", "flake.nix"} <= added
    assert json.loads(found["tests/scale_rows_examples.json"])["backend"] == "cpu"
    assert b"computed by C++ code" in found["README.md"]


def test_the_first_passing_kernel_of_each_case_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {name: replace(case(name=name), path=tmp_path / f"{name}.md") for name in ("aa", "bb", "x")}
    monkeypatch.setattr(items, "case_of", lambda outcome, root: cases[outcome.case])
    first, second = passed(cases["aa"]), replace(passed(cases["aa"]), id="s/SKILL.md::aa[kimi-skill]")
    failed = replace(passed(cases["bb"]), verdict=Verdict(VerdictKind.FAILED))
    found = list(export_run([failed, first, second, passed(cases["x"])], INFO, tmp_path, tmp_path / "out"))
    assert found[0] == Exported(first, tmp_path / "out" / "aa", True)
    assert len(found) == 2
    assert "the Hub accepts no kernel called 'x'" in str(found[1])


def test_two_cases_of_one_name_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (replace(case(), path=tmp_path / name / "twice.md") for name in ("a", "b"))
    monkeypatch.setattr(items, "case_of", lambda outcome, root: first if outcome.id.startswith("a") else second)
    outcomes = [replace(passed(of), id=f"{name}/SKILL.md::twice[golden]") for name, of in (("a", first), ("b", second))]
    found = list(export_run(outcomes, INFO, tmp_path, tmp_path / "out"))
    assert isinstance(found[0], Exported)
    said = "b/SKILL.md::twice[golden] cannot be exported: its project has the name 'twice', as that of a/SKILL.md::"
    assert str(found[1]).startswith(said)


def test_a_reply_that_chooses_the_name_of_another_does_not_replace_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (replace(case(name=name), path=tmp_path / f"{name}.md") for name in ("a_b", "a-b"))
    monkeypatch.setattr(items, "case_of", lambda outcome, root: first if outcome.case == "a_b" else second)
    found = list(export_run([passed(first), passed(second)], INFO, tmp_path, tmp_path / "out"))
    assert isinstance(found[0], Exported)
    assert "its project has the name 'a-b', as that of " in str(found[1])
    assert "`a_b`" in (tmp_path / "out" / "a-b" / "CARD.md").read_text(encoding="utf-8")


def test_the_lines_after_a_run_say_what_was_written_and_what_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    of = case()
    monkeypatch.setattr(items, "case_of", lambda outcome, root: of)
    lines, problems = exporting.export([passed(of)], INFO, tmp_path, tmp_path / "out")
    assert lines == ["export: 1 project in out: twice", "  build one: pytest-upskill build out/twice"]
    assert exporting.export([passed(of)], INFO, tmp_path, tmp_path / "out")[0][0].endswith("out (1 unchanged): twice")
    assert problems == []
    (tmp_path / "out" / "twice" / "build.toml").write_text("mine")
    lines, problems = exporting.export([passed(of)], INFO, tmp_path, tmp_path / "out")
    assert lines == []
    assert "build.toml has changed since it was exported" in problems[0]
    nothing: list[Outcome] = []
    assert exporting.export(nothing, INFO, tmp_path, tmp_path)[0] == [
        "export: no kernel of the contract launcher or kernel-builder passed, so nothing was written"
    ]


def test_a_folder_that_cannot_be_written_is_an_error_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--upskill-export: .*file is a file; name a folder"):
        exporting.check(tmp_path / "file")
    with pytest.raises(UsageError, match=r"--upskill-export: .* cannot be written"):
        exporting.check(tmp_path / "file" / "below")


def test_a_recorded_item_is_exported_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "skills" / "s" / "evals" / "twice.md"
    path.parent.mkdir(parents=True)
    path.write_text(case().text)
    (path.parents[1] / "SKILL.md").write_text("---\nname: s\ndescription: Of tests.\n---\nBody.\n")
    of = load_case(path, "s")
    recorded(tmp_path, "one", passed(of), replace(passed(of), id="skills/s/SKILL.md::twice[kimi-skill]",
                                                 verdict=Verdict(VerdictKind.FAILED, "no")))  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["export", "twice[golden]", "out"], catch_exceptions=False)
    assert done.output == "out/twice: written, from skills/s/SKILL.md::twice[golden] in run 1\n"
    again = CliRunner().invoke(main, ["export", "twice[golden]", "out"], catch_exceptions=False)
    assert "out/twice: unchanged" in again.output
    failed = CliRunner().invoke(main, ["export", "twice[kimi", "out"])
    assert failed.exit_code != 0
    assert "it is 'failed', and only kernels that passed are exported" in failed.output


def test_a_project_for_gpus_that_is_a_reply_says_nothing_of_a_build_for_the_cpu(tmp_path: Path) -> None:
    path = tmp_path / "skills" / "s" / "evals" / "scale.md"
    path.parent.mkdir(parents=True)

    def for_gpus(one: str) -> str:
        return one.replace('"cpu"', '"cuda"').replace("kCPU", "kCUDA").replace("language: cpp", "language: cuda")

    path.write_text(for_gpus(text()))
    of = load_case(path, "s")
    files = {name: for_gpus(one) for name, one in FILES.items()}
    project = Project(tuple(File(name, one) for name, one in files.items()))
    found = contents(export_item(passed(of, "kimi", project.text), of, INFO, tmp_path / "out").folder)
    assert b"pytest-upskill build" not in found["README.md"]
    assert json.loads(found["tests/scale_rows_examples.json"])["needs_gpu"]
    done = CliRunner().invoke(main, ["build", str(tmp_path / "out" / "scale-rows")])
    assert done.exit_code == 2
    assert "registers no operator for the CPU; an exported kernel does so under CPU_KERNEL" in done.output
