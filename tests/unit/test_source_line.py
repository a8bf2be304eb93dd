"""The line that a report shows: a known one first, then the language's guess, of whatever language it is."""

from __future__ import annotations

import json

import pytest

from pytest_upskill.execution.outcome import with_source
from pytest_upskill.languages.base import Language
from pytest_upskill.records import Outcome
from tests.unit.reporting_outcomes import counterexample, outcome

SOURCE = "first\nsecond\nthird\n"


class Lines:
    """A language that knows one line of every source, and no other."""

    source_name = "kernel.py"
    checks = ("runs", "correct", "memory")

    def __init__(self, guess: tuple[int, str] | None = (2, "a guess")) -> None:
        self.guess, self.asked = guess, [""]

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        self.asked.append(f"{output} in {len(source)}")
        return self.guess


def shown(item: Outcome, language: Lines) -> tuple[int | None, str]:
    made = with_source(item, language, SOURCE)  # type: ignore[arg-type]
    assert (made.source, made.source_name) == (SOURCE, "kernel.py")
    return made.shown_line, made.shown_why


@pytest.mark.parametrize("name", ["compiles", "contract", "memory"])
def test_a_line_that_a_message_names_is_shown(name: str) -> None:
    assert shown(outcome(failed={name: "kernel.py:3: wrong"}), Lines()) == (3, "")


def test_the_line_of_the_counterexample_comes_first() -> None:
    found = counterexample("memory", line=1)
    assert shown(outcome(failed={"memory": "reads (kernel.py:3)"}, counterexample=found), Lines()) == (1, "")


@pytest.mark.parametrize("message", ["wrong", "kernel.py:9: wrong", "kernel.cu:3: wrong"])
def test_without_a_line_of_the_source_the_language_guesses(message: str) -> None:
    assert shown(outcome(failed={"correct[float16]": message}), Lines()) == (2, "a guess")


def test_a_guess_is_made_from_the_output_that_is_wrong() -> None:
    language = Lines()
    shown(outcome(failed={"correct[float16]": "wrong"}, counterexample=counterexample()), language)
    assert language.asked[-1] == f"out in {len(SOURCE)}"


@pytest.mark.parametrize("name", ["reply", "contract", "compiles"])
def test_no_line_is_guessed_for_what_was_never_run(name: str) -> None:
    assert shown(outcome(failed={name: "wrong"}), Lines()) == (None, "")


def test_a_language_without_a_guess_and_a_passed_item_show_no_line() -> None:
    assert shown(outcome(failed={"runs": "crashed"}), Lines(None)) == (None, "")
    assert shown(outcome(), Lines()) == (None, "")


def test_an_item_without_a_source_shows_no_line() -> None:
    language: Language = Lines()  # type: ignore[assignment]
    made = with_source(outcome(failed={"runs": "crashed"}), language, None)
    assert (made.source, made.shown_line, made.shown_why) == (None, None, "")


def test_the_line_reaches_another_process() -> None:
    made = with_source(outcome(failed={"runs": "crashed"}), Lines(), SOURCE)  # type: ignore[arg-type]
    assert Outcome.from_plain(json.loads(json.dumps(made.to_plain()))) == made
