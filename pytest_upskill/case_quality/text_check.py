"""The self-check of a text case: some answer must meet its ``expect``, and an empty answer must not.

The case's own solution must meet ``expect``. If there is no solution, answers are made from the entries of ``expect``:
Hypothesis generates texts that match a pattern, and the other entries are inserted into these texts.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from pytest_upskill.case_quality.result import SOLUTION, CaseQuality, solution_fails
from pytest_upskill.cases.case import Case, Expectation
from pytest_upskill.cases.expectation import assertions
from pytest_upskill.errors import InfrastructureError
from pytest_upskill.records import Assertion

TEXTS = 100
"""The largest number of answers that are tried."""
SECONDS = 0.1
"""The processor time (s) for matching one pattern against one answer."""
RUBRIC_ALONE = (
    "the self-check asks no model, and 'expect' has a rubric only; what an answer must say can also be in 'contains'"
)
_FIX = "correct it, or add a '## Solution' with an answer that meets it"


def check(case: Case) -> CaseQuality:
    """The quality of a text case. It is inconclusive if the case has only a rubric."""
    expect = case.expect
    assert expect is not None
    if not (expect.contains or expect.matches):
        return CaseQuality((), inconclusive=RUBRIC_ALONE)
    first = _satisfiable(expect) if case.solution is None else _solved(expect, case.solution.source)
    unsure = not first.passed and case.solution is None and not all(map(_is_known, expect.matches))
    found, advice = (() if unsure else (first,)), ((f"advice: {first.message}",) if unsure else ())
    if not (first.passed or unsure) or expect.rubric:
        return CaseQuality(found, advice=advice)
    weak = _meets(expect, "")
    message = "an empty answer passes; state in 'contains' or 'matches' what an answer must say"
    echo = "advice: an answer that only repeats the task passes; expect something that the task does not say"
    rejects = Assertion("rejects[empty]", not weak, message if weak else "")
    return CaseQuality((*found, rejects), advice=advice + ((echo,) if not weak and _meets(expect, case.task) else ()))


def _solved(expect: Expectation, solution: str) -> Assertion:
    failed = next((one for one in assertions(expect, solution) if not one.passed), None)
    return Assertion(SOLUTION, True) if failed is None else solution_fails(failed.name, failed.message)


def _satisfiable(expect: Expectation) -> Assertion:
    problem = ""
    if not _can_be_met(expect):
        alone = (one for one in _single(expect) if not _can_be_met(one))
        bad = next((repr(text) for one in alone for text in (*one.contains, *one.matches)), "")
        what = f"{bad} in 'expect'" if bad else "all of 'expect' together, whose entries may contradict each other"
        problem = f"no answer was found that meets {what}; {_FIX}"
    return Assertion("satisfiable", not problem, problem)


def _single(expect: Expectation) -> Iterator[Expectation]:
    nothing = replace(expect, contains=(), matches=())
    yield from (replace(nothing, contains=(text,)) for text in expect.contains)
    yield from (replace(nothing, matches=(pattern,)) for pattern in expect.matches)


def _is_known(pattern: str) -> bool:
    """Whether Hypothesis can generate matches of a pattern.

    Hypothesis knows the syntax of ``re``, but patterns may use the larger syntax of ``regex``.
    """
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _meets(expect: Expectation, text: str) -> bool:
    try:
        return all(one.passed for one in assertions(expect, text, SECONDS))
    except InfrastructureError:  # the pattern is too slow on this text
        return False


def _can_be_met(expect: Expectation) -> bool:
    """Whether an answer was found that meets ``expect``."""
    if _meets(expect, "\n".join(expect.contains)):
        return True
    return bool(expect.matches) and _was_found(expect, "ascii")


def _was_found(expect: Expectation, letters: str) -> bool:
    from hypothesis import Phase, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import HypothesisException, InvalidArgument

    from pytest_upskill.oracle.hypothesis_folder import own_folder

    named = {letter for one in expect.matches for letter in one if not letter.isascii()} if letters == "ascii" else ()
    alphabet = st.characters(codec=letters, include_characters=sorted(named))

    @st.composite
    def answers(draw: Any) -> str:
        known = filter(_is_known, expect.matches)
        pieces = [*expect.contains, *(draw(st.from_regex(one, alphabet=alphabet)) for one in known)]
        text = ""
        for piece in draw(st.permutations(pieces)):
            place, between = draw(st.integers(0, len(text))), draw(st.sampled_from(("\n", " ", "")))
            text = text if piece in text else "".join((text[:place], between, piece, between, text[place:]))
        return text

    limits = settings(max_examples=TEXTS, database=None, phases=[Phase.generate])
    with own_folder(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            find(answers(), lambda text: _meets(expect, text), settings=limits, random=Random(0))
        except InvalidArgument:  # The pattern needs other letters. All of Unicode takes a second to prepare.
            return letters == "ascii" and _was_found(expect, "utf-8")
        except HypothesisException:
            return False
    return True
