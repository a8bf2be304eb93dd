"""``upskill-gen freeze``: a recorded counterexample joins ``always`` of its case, if the solution passes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_upskill.cases import acceptance
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.cases.provenance import read_provenance
from pytest_upskill.commands.generate import freeze
from pytest_upskill.commands.generate.main import main
from pytest_upskill.judging.interface import JudgeRequest, JudgeResult
from pytest_upskill.records import Counterexample, Example, ItemKind, Outcome, Verdict, VerdictKind
from tests.unit.test_acceptance import TEXT, evals, listed
from tests.unit.test_history_store import recorded

__all__ = ["evals"]
EXAMPLE = Example({"n": 7}, "float32", 3, "normal")
ADDED = TEXT.replace("args: {x: [n]}\n", "args: {x: [n]}\nalways:\n  - 'n=7 dtype=float32 seed=3 values=normal'\n")


def item(example: Example | None, case: str = "a", student: str = "pupil", root: str = "skill") -> Outcome:
    found = example and Counterexample("correct[float32]", example, "1 of 7 elements is off")
    kind = VerdictKind.FAILED if example else VerdictKind.PASSED
    name = f"{root}/SKILL.md::{case}[{student}-skill]"
    return Outcome(name, ItemKind.KERNEL, "skill", case, Verdict(kind, counterexample=found), student, "skill", 1)


class Judge:
    """Keeps the requests, and gives the same verdict to all."""

    def __init__(self) -> None:
        self.requests: list[JudgeRequest] = []
        self.verdict = Verdict(VerdictKind.PASSED)

    def __call__(self, request: JudgeRequest) -> JudgeResult:
        self.requests.append(request)
        return JudgeResult(self.verdict)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    made = Judge()
    monkeypatch.setattr(freeze, "judge", made)
    return made


@pytest.fixture
def skill(evals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (evals.parent / "SKILL.md").write_text("---\nname: skill\ndescription: Of tests.\n---\nBody.\n", encoding="utf-8")
    recorded(tmp_path, "one", item(EXAMPLE), item(None, "b"))
    recorded(tmp_path, "two", item(replace(EXAMPLE, seed=4)), item(EXAMPLE, "words"))
    recorded(tmp_path, "three", item(None), item(replace(EXAMPLE, dims={"n": 9}), "b"))
    monkeypatch.chdir(tmp_path)
    return evals.parent


def called(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["freeze", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_the_latest_counterexample_is_added_and_judged_as_untrusted_as_the_case(skill: Path, judge: Judge) -> None:
    path = skill / "evals" / "a.md"
    path.chmod(0o640)
    status, output = called("a[pupil-skill]")
    assert status == 0 and "from run 2 (its solution passes it)" in output.replace("\n", " ")
    assert path.read_text(encoding="utf-8") == ADDED.replace("seed=3", "seed=4")
    assert path.stat().st_mode & 0o777 == 0o640
    (request,) = judge.requests
    assert (request.example, request.trusted) == ("n=7 dtype=float32 seed=4 values=normal", False)
    assert request.case_text == path.read_text(encoding="utf-8")
    status, output = called("a[pupil-skill]", "--run=1")
    assert status == 0
    assert load_case(path, "skill").always == (
        "n=7 dtype=float32 seed=4 values=normal", "n=7 dtype=float32 seed=3 values=normal",
    )  # fmt: skip


def test_the_acceptance_of_the_case_stays(skill: Path, judge: Judge) -> None:
    path = skill / "evals" / "a.md"
    acceptance.accept(load_case(path, "skill"))
    assert called("a[pupil-skill]", "--run", "1")[0] == 0
    assert path.read_text(encoding="utf-8") == ADDED
    assert load_case(path, "skill").trusted and judge.requests[0].trusted


@pytest.mark.parametrize("proven", [True, False])
def test_the_record_of_a_proven_case_stays_right_and_an_edited_one_stays_edited(
    skill: Path, judge: Judge, proven: bool
) -> None:
    path = skill / "evals" / "a.md"
    listed(skill / "evals", "a", text_hash=load_case(path, "skill").text_hash if proven else "0" * 64)
    assert called("a[pupil-skill]")[0] == 0
    record = read_provenance(skill / "evals")
    assert record is not None
    assert (record.cases["a"].text_hash == load_case(path, "skill").text_hash) is proven
    assert record.cases["a"].teacher == "t"


def test_an_example_is_added_once(skill: Path, judge: Judge) -> None:
    text = TEXT.replace("args: {x: [n]}\n", "always: ['seed=3 n=7 values=normal']\nargs: {x: [n]}\n")
    (skill / "evals" / "a.md").write_text(text, encoding="utf-8")
    status, output = called("a[pupil-skill]", "--run=1")
    assert status == 2 and "in 'always' already" in output
    assert not judge.requests and (skill / "evals" / "a.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (VerdictKind.FAILED, "its own solution fails 'n=7"),
        (VerdictKind.INCONCLUSIVE, "its own solution cannot be judged on 'n=7"),
        (VerdictKind.INFRASTRUCTURE_ERROR, "it broke"),
    ],
)
def test_a_case_whose_solution_does_not_pass_stays_as_it_is(
    skill: Path, judge: Judge, kind: VerdictKind, problem: str
) -> None:
    judge.verdict = Verdict(kind, "it broke")
    status, output = called("a[pupil-skill]")
    assert status == 2 and problem in output and "is unchanged" in output.replace("\n", " ")
    assert (skill / "evals" / "a.md").read_text(encoding="utf-8") == TEXT


def test_a_dry_run_checks_and_writes_nothing(skill: Path, judge: Judge) -> None:
    status, output = called("a[pupil-skill]", "--dry-run")
    assert status == 0 and "would get 'n=7" in output and len(judge.requests) == 1
    assert (skill / "evals" / "a.md").read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("a[pupil-skill]", "--run=3"), "has no counterexample in run 3: it is 'passed'"),
        (("b[pupil-skill]",), "no longer allows 'n=9 dtype=float32 seed=3 values=normal': 'n' must be 1 to 8"),
        (("words[pupil-skill]",), "'words' is a text case, which has no examples"),
        (("c[pupil-skill]",), "no item of this run is called"),
        (("pupil",), "items are called 'pupil'"),
        (("a[pupil-skill]", "--run=9"), "there is no run 9"),
    ],
)
def test_what_cannot_be_added_is_refused_with_the_reason(
    skill: Path, judge: Judge, arguments: tuple[str, ...], problem: str
) -> None:
    status, output = called(*arguments)
    assert status == 2 and problem in output.replace("\n", " ")
    assert not judge.requests


@pytest.mark.parametrize(("student", "kind"), [("golden", ItemKind.KERNEL), (None, ItemKind.MUTANTS)])
def test_items_that_are_of_no_student_say_whose_item_is_needed(
    skill: Path, tmp_path: Path, student: str | None, kind: ItemKind
) -> None:
    recorded(tmp_path, "five", replace(item(None, "c"), id="skill/SKILL.md::c[own]", student=student, kind=kind))
    for more in ((), ("--run=4",)):
        status, output = called("c[own]", *more)
        said = output.replace("\n", " ")
        assert status == 2 and "a failed item of a student is needed" in said
        assert "save it as DIR/skill/c.skill.md, run 'pytest --upskill-student=files:DIR'" in said
    assert "is needed" not in called("a[pupil-skill]", "--run=3")[1]


def test_a_case_that_is_gone_or_broken_is_an_error(skill: Path, judge: Judge) -> None:
    path = skill / "evals" / "a.md"
    path.write_text("---\nop: 7\n---\nDo it.\n", encoding="utf-8")
    assert "a.md:2" in called("a[pupil-skill]")[1].replace("\n", "")
    path.unlink()
    assert "has no case 'a' any more" in called("a[pupil-skill]")[1].replace("\n", " ")
    (skill / "SKILL.md").unlink()
    assert "is not at skill/SKILL.md any more" in called("a[pupil-skill]")[1].replace("\n", " ")


def test_a_taken_case_is_changed_where_it_is_kept(skill: Path, judge: Judge, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "evals").mkdir(parents=True)
    (other / "SKILL.md").write_text((skill / "SKILL.md").read_text(encoding="utf-8"), encoding="utf-8")
    (other / "evals" / "cases.yaml").write_text("from: ../skill\n", encoding="utf-8")
    recorded(tmp_path, "four", item(EXAMPLE, root="other"))
    listed(skill / "evals")
    assert called("other/SKILL.md::a[pupil-skill]")[0] == 0
    assert (skill / "evals" / "a.md").read_text(encoding="utf-8") == ADDED
    assert judge.requests[0].trusted


def test_without_a_solution_nothing_is_judged(skill: Path, judge: Judge) -> None:
    before, _, after = TEXT.partition("## Solution")
    (skill / "evals" / "a.md").write_text(before + after[after.index("## Inputs") :], encoding="utf-8")
    status, output = called("a[pupil-skill]")
    assert status == 0 and "has no solution that could be checked" in output and not judge.requests
