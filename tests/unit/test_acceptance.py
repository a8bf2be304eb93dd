"""Which cases are trusted: what a record lists, what was accepted on this machine, and what an edit changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_upskill.cases import acceptance
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case, load_cases
from pytest_upskill.cases.provenance import FILE, Provenance, WrittenCase, write_provenance
from pytest_upskill.errors import CaseError
from pytest_upskill.paths import state_folder

TEXT = """---
op: twice(Tensor x) -> Tensor
dims: {n: 1..8}
args: {x: [n]}
---
Double `x`.

## Reference

```python
def twice(x):
    return x * 2
```

## Solution

```cuda
void twice();
```

## Inputs

```python
def inputs(generator, dtype, n):
    return {"x": torch.rand(n, generator=generator, dtype=torch.float64).to(dtype)}
```
"""
WORDS = "---\nexpect: {contains: [warp]}\n---\nSay warp.\n"


@pytest.fixture
def evals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cases ``a`` (listed), ``b`` (not listed) and ``words`` (a listed text case)."""
    monkeypatch.setenv("UPSKILL_STATE_DIR", str(tmp_path / "state"))
    folder = tmp_path / "skill" / "evals"
    folder.mkdir(parents=True)
    for name, text in (("a", TEXT), ("b", TEXT.replace("* 2", "+ x")), ("words", WORDS)):
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    listed(folder, "a", "words")
    return folder


def listed(evals: Path, *names: str, text_hash: str = "") -> None:
    write_provenance(evals, Provenance(cases={one: WrittenCase(teacher="t", text_hash=text_hash) for one in names}))


def loaded(evals: Path, name: str = "a") -> Case:
    return load_case(evals / f"{name}.md", "skill")


def trusted(evals: Path) -> dict[str, bool]:
    found = load_cases(sorted(evals.glob("*.md")), "skill")
    return {one.name: one.trusted for one in found if isinstance(one, Case)}


def test_a_listed_case_is_untrusted_until_its_code_was_accepted(evals: Path) -> None:
    assert trusted(evals) == {"a": False, "b": True, "words": True}
    acceptance.accept(loaded(evals))
    assert trusted(evals) == {"a": True, "b": True, "words": True}
    (one,) = acceptance.acceptances()
    assert (one.case, one.skill, one.digest) == ("a", "skill", acceptance.digest_of(loaded(evals)))
    assert [case.name for case in acceptance.revoke([loaded(evals), loaded(evals, "b")])] == ["a"]
    assert trusted(evals)["a"] is False and not list(acceptance.acceptances())


def test_nothing_is_stored_in_the_skill(evals: Path) -> None:
    before = {path: path.read_bytes() for path in evals.parent.rglob("*") if path.is_file()}
    acceptance.accept(loaded(evals))
    assert {path: path.read_bytes() for path in evals.parent.rglob("*") if path.is_file()} == before
    assert list((state_folder() / "accepted").iterdir())


def test_without_a_record_all_cases_are_trusted_and_pydantic_is_not_imported(evals: Path) -> None:
    (evals / FILE).unlink()
    assert all(trusted(evals).values())
    script = (
        "import sys; from pathlib import Path; from pytest_upskill.cases.case_file import load_cases; "
        f"load_cases(sorted(Path({str(evals)!r}).glob('*.md')), 'skill'); assert 'pydantic' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return x * 2", "return x * 2  # and more"),
        ("torch.rand", "torch.randn"),
        ("op: twice(Tensor x)", "op: twice(Tensor y)"),
        ("def inputs(generator, dtype, n):", "import os\ndef inputs(generator, dtype, n):"),
    ],
)
def test_an_edit_of_the_code_has_to_be_accepted_again(evals: Path, old: str, new: str) -> None:
    acceptance.accept(loaded(evals))
    text = TEXT.replace(old, new)
    if "Tensor y" in new:
        text = text.replace("args: {x", "args: {y").replace("def twice(x)", "def twice(y)").replace("x * 2", "y * 2")
    assert text != TEXT
    (evals / "a.md").write_text(text, encoding="utf-8")
    assert not loaded(evals).trusted


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Double `x`.", "Multiply `x` by 2."),
        ("n: 1..8", "n: 1..800"),
        ("args:", "always: ['n=3 dtype=float32 seed=1']\nargs:"),
        ("void twice();", "void twice(int);"),
    ],
)
def test_an_edit_of_data_needs_no_new_acceptance(evals: Path, old: str, new: str) -> None:
    acceptance.accept(loaded(evals))
    assert TEXT.replace(old, new) != TEXT
    (evals / "a.md").write_text(TEXT.replace(old, new), encoding="utf-8")
    assert loaded(evals).trusted


def test_a_renamed_file_is_known_by_its_text_and_a_link_by_what_it_leads_to(evals: Path, tmp_path: Path) -> None:
    listed(evals, "a", text_hash=loaded(evals).text_hash)
    (evals / "c.md").write_text(TEXT, encoding="utf-8")
    other = tmp_path / "other" / "evals"
    other.mkdir(parents=True)
    (other / "a.md").symlink_to(evals / "a.md")
    assert not loaded(evals, "c").trusted and not loaded(other).trusted
    acceptance.accept(loaded(evals))
    assert loaded(evals, "c").trusted and loaded(other).trusted


def test_a_renamed_file_and_a_link_are_known_after_an_edit_that_is_no_code(evals: Path, tmp_path: Path) -> None:
    made = WrittenCase(teacher="t", text_hash=loaded(evals).text_hash, code=acceptance.digest_of(loaded(evals)))
    write_provenance(evals, Provenance(cases={"a": made}))
    edited = TEXT.replace("Double `x`.", "Double each element of `x`.")
    for name in ("a", "c"):
        (evals / f"{name}.md").write_text(edited, encoding="utf-8")
    other = tmp_path / "other" / "evals"
    other.mkdir(parents=True)
    (other / "y.md").symlink_to(evals / "a.md")
    assert not loaded(evals, "c").trusted and not loaded(other, "y").trusted
    (evals / "d.md").write_text(edited.replace("x * 2", "x + x"), encoding="utf-8")
    assert loaded(evals, "d").trusted


@pytest.mark.parametrize("content", ["", "{", '{"version": 2}', "[]", '{"cases": {"a": 7}}'])
def test_with_a_record_that_cannot_be_read_every_case_is_untrusted(evals: Path, content: str) -> None:
    (evals / FILE).write_text(content, encoding="utf-8")
    assert trusted(evals) == {"a": False, "b": False, "words": True}
    listing = acceptance.listing_of(evals)
    assert listing is not None and isinstance(listing.problem, CaseError)
    assert listing.problem.path == evals / FILE and "cannot be read" in listing.problem.message
    acceptance.accept(loaded(evals, "b"))
    assert trusted(evals)["b"]


def test_a_record_that_is_a_link_to_nothing_counts_as_one_that_cannot_be_read(evals: Path) -> None:
    (evals / FILE).unlink()
    (evals / FILE).symlink_to("nothing.json")
    assert trusted(evals) == {"a": False, "b": False, "words": True}


def test_a_damaged_acceptance_still_counts_and_is_listed_by_its_digest(evals: Path) -> None:
    acceptance.accept(loaded(evals))
    path = next(acceptance.folder().iterdir())
    path.write_text("[", encoding="utf-8")
    assert loaded(evals).trusted
    assert [one.digest for one in acceptance.acceptances()] == [path.stem]


def test_the_state_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UPSKILL_STATE_DIR", str(tmp_path))
    assert state_folder() == tmp_path
    monkeypatch.delenv("UPSKILL_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_folder() == tmp_path / "xdg" / "pytest-upskill"
