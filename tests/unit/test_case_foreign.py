"""Markdown files of other tools in ``evals/`` are no cases; cases of ours with a mistake stay errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.cases.case_file import load_case, load_cases
from pytest_upskill.errors import CaseError, NotACase

FOREIGN = {
    "prose": "# Evaluation\n\nAsk for a tree, and look at it.\n",
    "their-frontmatter": "---\nprompt: Plant a tree.\nexpected: a tree\ntags: [tree]\n---\nText.\n",
    "their-expect": "---\nprompt: Plant a tree.\nexpect: a tree\n---\nText.\n",
    "not-yaml": "---\nid: {{ number }}\nprompt: a: b: c\n---\nText.\n",
    "a-line-and-prose": "---\n\n# Evaluation\n\nWithout keys.\n",
    "about-our-format": "# Notes\n\n```yaml\nop: f(Tensor x) -> Tensor\n```\n",
    "another reference": "# Task\n\n## Reference\n\nSee the book.\n",
}
OURS = {
    "empty": " \n\n",
    "no-first-line": "op: f(Tensor x) -> Tensor\ndims: {n: 1..9}\n---\nText.\n",
    "blank-line-first": "\n---\nexpect: {contains: [tree]}\n---\nText.\n",
    "no-end": "---\nop: f(Tensor x) -> Tensor\n",
    "no-op": "---\ndims: {n: 1..9}\nargs: {x: [n]}\nauthor: me\n---\nText.\n",
    "misspelled": "---\nexpects: {contains: [tree]}\n---\nText.\n",
    "tags-alone": "---\ntags: [tree]\n---\nText.\n",
    "not-yaml": "---\nop: f(Tensor x) -> Tensor\ndims: {n: [\n---\nText.\n",
    "strange-key": "---\nprompt: x\nexpect: {contains: [tree]}\n---\nText.\n",
    "reference-alone": "Add one.\n\n## Reference\n\n```python\ndef f(x):\n    return x + 1\n```\n",
    "a bad name": "---\nexpect: {contains: [tree]}\n---\nText.\n",
}


def case(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / f"{name}.md"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_without_a_mark_of_a_case_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotACase, match="no case, and not judged: no frontmatter with 'op' or 'expect'"):
        load_case(case(tmp_path, name, FOREIGN[name]), "trees")


@pytest.mark.parametrize("name", OURS)
def test_a_case_with_a_mistake_is_an_error(tmp_path: Path, name: str) -> None:
    (found,) = load_cases([case(tmp_path, name, OURS[name])], "trees")
    assert isinstance(found, CaseError) and not isinstance(found, NotACase)


def test_the_encoding_of_a_foreign_file_does_not_matter(tmp_path: Path) -> None:
    with pytest.raises(NotACase):
        load_case(case(tmp_path, "old", "# Bäume\n".encode("cp1252")), "trees")
    with pytest.raises(CaseError, match="is not UTF-8") as caught:
        load_case(case(tmp_path, "ours", "---\nexpect: {contains: [Bäume]}\n---\n".encode("cp1252")), "trees")
    assert not isinstance(caught.value, NotACase)


def test_a_right_case_is_read(tmp_path: Path) -> None:
    assert (
        load_case(case(tmp_path, "ours", "---  \nexpect: {contains: [tree]}\n---\t\nText.\n"), "trees").kind == "text"
    )
