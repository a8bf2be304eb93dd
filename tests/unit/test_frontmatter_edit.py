"""Editing frontmatter: what was added or replaced is there, and nothing else has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.documents.frontmatter import parse
from pytest_upskill.documents.frontmatter_edit import with_item, with_text
from pytest_upskill.errors import CaseError

BEFORE = "op: f(Tensor x) -> Tensor  # 'always' is below\ndims: {n: 1..8}   # sizes\n"
AFTER = "tags:\n- always\n- b\n"


def listed(text: str) -> list[object]:
    top = parse(text, Path("a.md"), CaseError).frontmatter.data
    return [item.data for item in top["always"].data] if "always" in top else []


@pytest.mark.parametrize(
    "written",
    [
        "",
        "always: ['n=1 seed=1']\n",
        'always: ["n=1 seed=1"] # why\n',
        "always: [n=1 seed=1, 'n=2 seed=2',]\n",
        "always: [\n  'n=1 seed=1',  # one\n  'n=2 seed=2',  # two\n]\n",
        "always:\n  - 'n=1 seed=1'\n",
        "always:\n- n=1 seed=1   # without quotes\n- 'n=2 seed=2'\n# a remark\n",
        "always:\n\n    - 'n=1 seed=1'\n\n",
        "'always':   # quoted\n  - 'n=1 seed=1'\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [False, True])
def test_an_item_is_added_and_everything_else_stays(written: str, end: str, last: bool) -> None:
    front = BEFORE + AFTER + written if last else BEFORE + written + AFTER
    text = f"---\n{front}---\nText.\n\n---\nalways: here\n".replace("\n", end)
    changed = with_item(text, "always", "n=3 seed=3")
    assert listed(changed) == [*listed(text), "n=3 seed=3"]
    kept = iter(changed)
    assert all(char in kept for char in text), "the old text is still there, in its order"
    assert changed.count(end) == changed.count("\n")
    assert len(changed) - len(text) <= len("always:\n      - 'n=3 seed=3'\n") + 4


def test_the_result_for_a_case_without_the_key_is_the_plain_form() -> None:
    text = "\ufeff---\nop: f(Tensor x) -> Tensor\n---\nText.\n"
    expected = "\ufeff---\nop: f(Tensor x) -> Tensor\nalways:\n  - 'n=3 seed=3'\n---\nText.\n"
    assert with_item(text, "always", "n=3 seed=3") == expected


def test_a_list_of_that_name_inside_another_key_is_left_alone() -> None:
    text = "---\nargs: {always: [n]}\nmore:\n  always:\n    - x\n---\nText.\n"
    assert listed(with_item(text, "always", "n=3")) == ["n=3"]


@pytest.mark.parametrize("text", ["", "Text.\n", "---\nop: f\n"])
def test_a_text_without_frontmatter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no frontmatter"):
        with_item(text, "always", "n=3")


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        ("description: Old.", ""),
        ('description: "Old: a"', ""),
        ("description: >-\n  Old text\n  of two lines", ""),
        ("description: |\n  Old text\n\n  of three lines\n", ""),
        ("description: Old\n  text, folded", "license: MIT"),
        ("description: {a: b}", "metadata:\n  description: inner"),
        ("description: Old.", "# about the license\nlicense: MIT"),
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        "Plain words.",
        "With: a colon",
        "Quotes \" and '",
        "# begins",
        "a # b",
        "-",
        "\u65e5\u672c\u8a9e",
        "yes",
        "1.5",
        "tail:",
    ],
)
def test_a_text_replaces_that_of_its_key_and_nothing_else(head: str, rest: str, value: str) -> None:
    def text(one: str) -> str:
        return "\n".join(["---", "name: tiny", one, *([rest] if rest else []), "---", "description: in the body", ""])

    new = with_text(text(head), "description", value)
    found = parse(new, Path("SKILL.md"), CaseError)
    assert found.frontmatter.data["description"].data == value
    assert new.startswith("---\nname: tiny\ndescription: ")
    assert new.split("\n", 3)[3].strip("\n") == text(head).split(head, 1)[1].strip("\n")


def test_a_text_keeps_the_line_ends_of_the_file_and_needs_its_key() -> None:
    windows = "---\r\nname: a\r\ndescription: b\r\n---\r\nBody.\r\n"
    assert with_text(windows, "description", "new") == windows.replace("description: b", "description: new")
    for text in ("no frontmatter", "---\nname: a\n---\n"):
        with pytest.raises(ValueError, match="frontmatter"):
            with_text(text, "description", "c")
