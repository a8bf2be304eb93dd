"""``upskill-gen accept``: what it shows, what it asks, what it stores."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_upskill.cases import acceptance
from pytest_upskill.cases.provenance import FILE
from pytest_upskill.commands.generate import accept
from pytest_upskill.commands.generate.main import main
from pytest_upskill.documents.hidden_characters import disguised_names, hidden_characters, is_hidden, visible
from tests.unit.test_acceptance import TEXT, evals, listed, loaded, trusted

__all__ = ["evals"]


@pytest.fixture
def skill(evals: Path) -> str:
    (evals.parent / "SKILL.md").write_text("---\nname: skill\ndescription: Of tests.\n---\nBody.\n", encoding="utf-8")
    return str(evals.parent)


def called(*arguments: str, answer: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(main, ["accept", *arguments], input=answer)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_the_code_is_shown_with_the_lines_of_the_file_and_stored_after_yes(skill: str, evals: Path) -> None:
    status, output = called(skill, answer="y\n")
    assert status == 0 and "1 case accepted" in output
    assert "op: twice(Tensor x) -> Tensor" in output
    assert "   12     return x * 2" in output and TEXT.splitlines()[11] == "    return x * 2"
    assert "def inputs(generator, dtype, n):" in output and "void twice" not in output
    assert trusted(evals)["a"]
    assert "nothing to accept" in called(skill)[1]


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_anything_but_yes_stores_nothing(skill: str, evals: Path, answer: str) -> None:
    status, output = called(skill, answer=answer)
    assert status == 1 and "nothing was accepted" in output
    assert not trusted(evals)["a"]


def test_show_asks_nothing_and_stores_nothing(skill: str, evals: Path) -> None:
    status, output = called(skill, "--show")
    assert status == 0 and "return x * 2" in output and "Trust it" not in output
    assert not trusted(evals)["a"]


def test_yes_asks_nothing_and_single_cases_can_be_named(skill: str, evals: Path) -> None:
    listed(evals, "a", "b")
    assert called(skill, "b", "--yes")[0] == 0
    assert trusted(evals) == {"a": False, "b": True, "words": True}
    assert called(f"{skill}/evals/a.md", "--yes")[0] == 0
    assert trusted(evals)["a"]


def test_list_and_revoke(skill: str, evals: Path) -> None:
    assert "a  not accepted" in called(skill, "--list")[1]
    called(skill, "--yes")
    assert "a  accepted" in called(skill, "--list")[1]
    assert "skill/a" in called("--list")[1] and "1 acceptance in" in called("--list")[1]
    assert "a: no longer accepted" in called(skill, "--revoke")[1]
    assert not trusted(evals)["a"] and "0 acceptances" in called("--list")[1]


def test_hidden_characters_are_shown_and_named_and_accepted_at_a_terminal_only(
    skill: str, evals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "return x * 2  # \u202e\u2066 elbuod \u2069\x1b[2K\u200b"
    (evals / "a.md").write_text(TEXT.replace("return x * 2", code), encoding="utf-8")
    status, output = called(skill, "--yes")
    assert status == 2 and "hidden or deceptive characters in a" in output
    assert not trusted(evals)["a"]
    status, output = called(skill, answer="y\n")
    assert status == 2 and "by an answer at a terminal only" in output.replace("\n", " ")
    assert not trusted(evals)["a"]
    monkeypatch.setattr(accept, "_is_terminal", lambda: True)
    status, output = called(skill, answer="y\n")
    assert status == 0 and trusted(evals)["a"], "a person has seen them"
    assert "<U+202E><U+2066> elbuod <U+2069><U+001B>[2K<U+200B>" in output
    assert "a.md:12: U+202E, RIGHT-TO-LEFT OVERRIDE, changes the order" in output.replace("\n", "")
    assert "U+001B, a control character, controls the terminal" in output
    assert "U+200B, ZERO WIDTH SPACE, is not visible" in output
    assert not any(map(is_hidden, output))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("\u0435val", "the name '\u0435val' has U+0435"),
        ("\uff45val", "U+FF45, which may look like other letters, and is read as 'eval'"),
    ],
)
def test_names_that_look_like_others_are_named_too(skill: str, evals: Path, name: str, said: str) -> None:
    text = TEXT.replace("return x * 2", f"return {name}('x * 2')")
    (evals / "a.md").write_text(text, encoding="utf-8")
    assert said in called(skill, "--show")[1].replace("\n", " ")
    assert called(skill, "--yes")[0] == 2 and not trusted(evals)["a"]


def test_plain_code_in_any_script_has_no_hidden_characters() -> None:
    text = "def f(x):\n\treturn x  # größer, 平均, e\u0301, 😀\n"
    assert not [*hidden_characters(text), *disguised_names(text)] and visible(text) == text


def test_cases_that_need_no_acceptance_are_named(skill: str) -> None:
    assert "b: needs no acceptance, since upskill-gen did not write it" in called(skill, "b")[1]
    assert "words: needs no acceptance, since it has no code" in called(skill, "words")[1]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "name a skill"),
        (("SKILL", "aa"), "has no case 'aa'"),
        (("SKILL", "--yes", "--revoke"), "exclude each other"),
        (("nowhere",), "there is no such skill"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(skill: str, arguments: tuple[str, ...], problem: str) -> None:
    status, output = called(*(skill if one == "SKILL" else one for one in arguments))
    assert status == 2 and problem in output


def test_a_broken_case_or_record_is_reported_and_others_can_be_accepted(skill: str, evals: Path) -> None:
    (evals / "b.md").write_text("---\nop: 7\n---\nDo it.\n", encoding="utf-8")
    status, output = called(skill, "--yes")
    assert status == 1 and "error:" in output and "b.md:2" in output.replace("\n", "")
    assert acceptance.is_accepted(loaded(evals))
    (evals / FILE).write_text("{", encoding="utf-8")
    assert "cannot be read" in called(skill, "a", "--show")[1]
