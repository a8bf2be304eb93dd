"""``pytest-upskill new-case``: every schema gives a case that can be read, with the signature that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_upskill.cases.case_file import load_case, parse_case
from pytest_upskill.commands.lint import problems
from pytest_upskill.commands.main import main
from pytest_upskill.commands.new_case import skeleton
from pytest_upskill.contracts.function.contract import FunctionContract
from pytest_upskill.contracts.launcher.contract import LauncherContract
from pytest_upskill.records import ResultFacts

SKILL = "---\nname: tiny\ndescription: Scales vectors.\n---\nBe brief.\n"
SCHEMAS = (
    "scale(Tensor x) -> Tensor",
    "add(Tensor x,Tensor y, float alpha)->Tensor z",
    "step(Tensor(a!) weight, Tensor grad, float rate) -> ()",
    "moments(Tensor x, bool biased) -> (Tensor mean, Tensor variance)",
    "halve(Tensor(a!) x, int n) -> Tensor",
    "ramp(float start, float step) -> Tensor",
    "pick(Tensor i, Tensor at, int size, int length, int count, int index, int where, int n) -> (Tensor, Tensor)",
)
NOTHING = ResultFacts({}, {})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the skill, which is the current one."""
    (tmp_path / "skills" / "tiny").mkdir(parents=True)
    (tmp_path / "skills" / "tiny" / "SKILL.md").write_text(SKILL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["new-case", *arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_skeleton_can_be_read_and_its_solution_has_the_asked_signature(schema: str) -> None:
    path = Path("skills/tiny/evals/mine.md")
    case = parse_case(skeleton(schema, path, "cuda"), path, "tiny")
    assert case.solution is not None and case.op is not None
    contract = LauncherContract()
    assert contract.problem({"kernel.cu": case.solution.source}, contract.signature(case, NOTHING)) is None
    mutable = [one.name for one in case.op.arguments if one.mutable]
    assert all(f"{name}[" in case.solution.source for name in (*case.op.results, *mutable))


@pytest.mark.parametrize("schema", SCHEMAS[:5])
def test_a_python_skeleton_names_its_contract(schema: str) -> None:
    path = Path("skills/tiny/evals/mine.md")
    case = parse_case(skeleton(schema, path, "python"), path, "tiny")
    assert (case.language, case.contract) == ("python", "function")
    contract = FunctionContract()
    assert case.solution is not None
    assert contract.problem({"kernel.py": case.solution.source}, contract.signature(case, NOTHING)) is None


@pytest.mark.parametrize(
    "name", ["skills/tiny/mine", "tiny/mine", "skills/tiny/evals/mine.md", "./skills/tiny/mine.md"]
)
def test_a_skill_is_named_by_its_path_or_its_name(place: Path, name: str) -> None:
    status, said = called(name, SCHEMAS[0])
    path = place / "skills" / "tiny" / "evals" / "mine.md"
    assert status == 0 and "pytest-upskill check" in said and said.rstrip().endswith("evals/mine.md")
    assert load_case(path, "tiny").name == "mine"
    (found,) = problems(path.parents[1] / "SKILL.md")
    assert "TODO" in found[1].message and found[1].severity == "warning"


def test_a_case_that_exists_is_kept(place: Path) -> None:
    path = place / "skills" / "tiny" / "evals" / "mine.md"
    path.parent.mkdir()
    path.write_text("mine")
    status, said = called("tiny/mine", SCHEMAS[0])
    assert (status, path.read_text()) == (2, "mine")
    assert "exists already" in said


@pytest.mark.parametrize(
    ("name", "schema", "message"),
    [
        ("tinny/mine", SCHEMAS[0], "there is no skill 'tinny': create it"),
        ("skills/mine", SCHEMAS[0], "the folder holds no SKILL.md"),
        ("mine", SCHEMAS[0], "the folder holds no SKILL.md"),
        ("tiny/mi.ne", SCHEMAS[0], "cannot be the name of a case"),
        ("tiny/mine", "scale(Tensr x) -> Tensor", "did you mean 'Tensor'?"),
        ("tiny/mine", "scale", "has no result"),
        ("tiny/mine", "look(Tensor x) -> ()", "the operator computes nothing"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(place: Path, name: str, schema: str, message: str) -> None:
    status, said = called(name, schema)
    assert status == 2 and message in said
    assert not list(place.rglob("mi*.md"))


def test_two_skills_of_one_name_need_a_path(place: Path) -> None:
    other = place / "more" / "tiny"
    other.mkdir(parents=True)
    (other / "SKILL.md").write_text(SKILL)
    status, said = called("tiny/mine", SCHEMAS[0])
    assert status == 2 and "more/tiny and skills/tiny have this name" in said
    assert called("more/tiny/mine", SCHEMAS[0])[0] == 0
