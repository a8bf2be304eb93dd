"""``evals/cases.yaml``: which files a skill takes from another one, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.cases.case_file import load_cases
from pytest_upskill.skills.case_files import case_files
from pytest_upskill.skills.skill import case_paths

TEXT = "---\nexpect: {contains: [warp]}\n---\nSay warp.\n"


def skill(root: Path, name: str, *cases: str, yaml: str | None = None) -> Path:
    folder = root / name
    (folder / "evals").mkdir(parents=True)
    (folder / "SKILL.md").write_text(f"---\nname: {name}\ndescription: Of tests.\n---\nBody.\n", encoding="utf-8")
    for case in cases:
        (folder / "evals" / f"{case}.md").write_text(TEXT, encoding="utf-8")
    if yaml is not None:
        (folder / "evals" / "cases.yaml").write_text(yaml, encoding="utf-8")
    return folder


def names(folder: Path) -> list[str]:
    found = case_files(folder)
    assert found.problem is None, found.problem
    return [path.stem for path in found.paths]


def problem(folder: Path) -> tuple[str, int | None]:
    found = case_files(folder)
    assert found.problem is not None, found.paths
    assert found.problem.path is not None and found.problem.path.name.startswith("cases.y")
    return found.problem.message, found.problem.line


def test_a_skill_without_the_file_has_its_own_cases(tmp_path: Path) -> None:
    assert names(skill(tmp_path, "one", "b", "a")) == ["a", "b"]


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("from: ../one\n", ["a", "b", "c", "own"]),
        ("# whose\nfrom: '../one/'\nonly: [c, a]\n", ["a", "c", "own"]),
        ("---\nfrom: ../one\nexcept:\n  - b\n", ["a", "c", "own"]),
        ("\ufefffrom: ../../root/one\r\n", ["a", "b", "c", "own"]),
    ],
)
def test_cases_are_taken_beside_own_ones(tmp_path: Path, yaml: str, expected: list[str]) -> None:
    root = tmp_path / "root"
    one = skill(root, "one", "a", "b", "c")
    two = skill(root, "two", "own", yaml=yaml)
    assert names(two) == expected
    found = load_cases(case_paths(two), "two", two)
    taken = {case.name: case.taken_by for case in found if not isinstance(case, Exception)}
    assert taken == {name: None if name == "own" else two for name in expected}
    first = found[0]
    assert not isinstance(first, Exception)
    assert (first.skill, first.path, first.folder) == ("two", one / "evals" / "a.md", two)


def test_cases_are_taken_through_a_skill_that_takes_them_itself_and_by_a_link(tmp_path: Path) -> None:
    skill(tmp_path, "one", "a")
    skill(tmp_path, "two", "b", yaml="from: ../one")
    three = skill(tmp_path, "three", yaml="from: ../two")
    assert names(three) == ["a", "b"]
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "three").symlink_to(three)
    assert names(tmp_path / "agent" / "three") == ["a", "b"]


def test_an_own_version_replaces_a_taken_case_that_is_left_out(tmp_path: Path) -> None:
    skill(tmp_path, "one", "a", "b")
    two = skill(tmp_path, "two", "a", yaml="from: ../one\nexcept: [a]\n")
    assert case_paths(two) == [two / "evals" / "a.md", tmp_path / "one" / "evals" / "b.md"]


@pytest.mark.parametrize(
    ("yaml", "message", "line"),
    [
        ("", "the file is empty; it must be a mapping", 1),
        ("- ../one", "must be a mapping of keys to values", 1),
        ("from: ../one\nfrom: ../one", "key 'from' is given twice, first in line 1", 2),
        ("from: a: b", "the file is not YAML", 1),
        ("form: ../one", "unknown key 'form'; did you mean 'from'?", 1),
        ("only: [a]", "'from' is missing: name the skill whose cases are taken", 1),
        ("\nfrom: [../one]", "'from' is '[../one]'; it must be the path of one skill's folder", 2),
        ("from: ''", "it must be the path of one skill's folder", 1),
        ("from: 7", "it must be the path of one skill's folder", 1),
        ("from: /etc/skills/one", "write the path as seen from the skill's folder", 1),
        ("from: 'C:/skills/one'", "write the path as seen from the skill's folder", 1),
        ("from: '..\\one'", "write the path as seen from the skill's folder", 1),
        ("from: ../ones", "there is no folder", 1),
        ("from: ../one/evals", "is not a skill: it has no SKILL.md", 1),
        ("from: ../bare", "has no cases: name a skill with cases", 1),
        ("from: .", "leads back to a skill that takes cases itself (two -> two)", 1),
        ("from: ../one\nonly: [a]\nexcept: [b]", "'only' and 'except' cannot be combined", 3),
        ("from: ../one\nonly: a", "'only' is 'a'; it must be a list of cases", 2),
        ("from: ../one\nonly: []", "'only' is '[]'; it must be a list of cases", 2),
        ("from: ../one\nexcept:\n  - bb", "'except' names 'bb', no case there", 3),
        ("from: ../one\nonly: [a, a]", "'only' names 'a' twice; keep one", 2),
        ("from: ../one", "case 'own' is in evals/ and in ", 1),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_own_cases_stay(
    tmp_path: Path, yaml: str, message: str, line: int
) -> None:
    skill(tmp_path, "one", "a", "bbb", "own")
    skill(tmp_path, "bare")
    two = skill(tmp_path, "two", "own", yaml=yaml)
    said, where = problem(two)
    assert message in said and where == line
    assert case_paths(two) == [two / "evals" / "own.md"]


def test_a_missing_folder_is_answered_with_the_nearest_skill(tmp_path: Path) -> None:
    skill(tmp_path, "cuda-kernels", "a")
    said, _ = problem(skill(tmp_path, "two", yaml="from: ../cuda-kernel"))
    assert "did you mean 'cuda-kernels'?" in said


def test_a_cycle_of_two_names_the_way_round(tmp_path: Path) -> None:
    one = skill(tmp_path, "one", "a", yaml="from: ../two")
    two = skill(tmp_path, "two", "b", yaml="from: ../one")
    assert "(one -> two -> one)" in problem(one)[0]
    assert "(two -> one -> two)" in problem(two)[0]


def test_the_other_suffix_of_yaml_is_refused(tmp_path: Path) -> None:
    skill(tmp_path, "one", "a")
    two = skill(tmp_path, "two")
    (two / "evals" / "cases.yml").write_text("from: ../one", encoding="utf-8")
    assert "rename this one" in problem(two)[0]
