"""``skills/cuda-kernels-ja``: valid, complete, with the code and the cases of the English edition."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import skills_ref

from pytest_upskill.cases.case_file import load_cases
from pytest_upskill.skills.case_files import case_files, own_paths
from pytest_upskill.skills.skill import validate

SKILLS = Path(__file__).parents[2] / "skills"
ENGLISH, JAPANESE = SKILLS / "cuda-kernels", SKILLS / "cuda-kernels-ja"
FILES = sorted(path.relative_to(ENGLISH).as_posix() for path in ENGLISH.rglob("*.md") if path.parent.name != "evals")
_BLOCK = re.compile(r"^```cuda\n.*?^```$", re.MULTILINE | re.DOTALL)
_LETTERS = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def text(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def code(folder: Path, name: str) -> list[str]:
    """The code blocks without their comments, which are translated."""
    return [re.sub(r" *//.*", "", block) for block in _BLOCK.findall(text(folder, name))]


def test_it_is_valid() -> None:
    assert validate(JAPANESE) == () and skills_ref.validate(JAPANESE) == []


@pytest.mark.parametrize("name", FILES)
def test_the_code_is_that_of_the_english_edition_and_the_text_is_japanese(name: str) -> None:
    assert code(JAPANESE, name) == code(ENGLISH, name)
    headings = [re.findall(r"^#+ ", _BLOCK.sub("", text(folder, name)), re.MULTILINE) for folder in (ENGLISH, JAPANESE)]
    assert headings[0] == headings[1]
    prose = _BLOCK.sub("", text(JAPANESE, name)).partition("metadata:")[2] or _BLOCK.sub("", text(JAPANESE, name))
    paragraphs = [one for one in re.split(r"\n\s*\n", prose) if len(one) > 120]
    assert paragraphs and all(_LETTERS.search(one) for one in paragraphs if not one.startswith("    "))


def test_its_cases_are_those_of_the_english_edition() -> None:
    found = case_files(JAPANESE)
    assert found.problem is None and own_paths(JAPANESE) == []
    assert found.paths == tuple(own_paths(ENGLISH)) and len(found.paths) > 15
    cases = load_cases(found.paths, JAPANESE.name, JAPANESE)
    assert all(not isinstance(case, Exception) and case.taken_by == JAPANESE for case in cases)
