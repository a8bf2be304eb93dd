"""Mutants of Python sources, and what counts as the same code."""

from __future__ import annotations

import ast

import pytest

from pytest_upskill.languages.python.language import fingerprint
from pytest_upskill.languages.python.mutants import source_mutants

SOURCE = '''\
import torch


def f(x, eps):
    """Says 'ä' in a text before the code."""
    if x.shape[0] <= 1:
        return -x
    mean = x.sum(dim=-1, keepdim=True) / 2  # a comment that stays
    return (x - mean).clamp(min=0.5).square() + torch.exp(eps)
'''


def test_each_kind_of_change_is_made_and_each_comes_in_turn() -> None:
    found = source_mutants(SOURCE, 100, 1)
    kinds = [mutant.kind for mutant in found]
    expected = {
        "axis",
        "comparison",
        "constant",
        "dropped call",
        "dropped term",
        "flag",
        "function",
        "operator",
        "sign",
    }
    assert set(kinds) == expected
    assert set(kinds[: len(expected)]) == expected


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("'x.shape[0] <= 1' becomes 'x.shape[0] < 1'", 6),
        ("'-1' becomes '0'", 8),
        ("'-x' becomes 'x'", 7),
        ("'True' becomes 'False'", 8),
        ("'x - mean' becomes 'x'", 9),
        ("'x - mean' becomes 'x + mean'", 9),
        ("'(x - mean).clamp(min=0.5)' becomes 'x - mean'", 9),
        ("'x.sum(dim=-1, keepdim=True)' becomes 'x.mean(dim=-1, keepdim=True)'", 8),
        ("'0.5' becomes '1.0'", 9),
    ],
)
def test_a_change_is_told_with_its_line(change: str, line: int) -> None:
    assert (change, line) in [(mutant.change, mutant.line) for mutant in source_mutants(SOURCE, 100, 1)]


def test_every_mutant_is_python_that_differs_from_the_source_in_one_line() -> None:
    for mutant in source_mutants(SOURCE, 100, 1):
        ast.parse(mutant.source)
        pairs = zip(SOURCE.splitlines(), mutant.source.splitlines(), strict=True)
        assert [number for number, (one, other) in enumerate(pairs, 1) if one != other] == [mutant.line]


def test_the_seed_and_the_count_fix_which() -> None:
    assert source_mutants(SOURCE, 5, 1) == source_mutants(SOURCE, 5, 1)
    assert len(source_mutants(SOURCE, 5, 1)) == 5
    assert source_mutants("def f(:", 5, 1) == []


def test_code_is_the_same_whatever_its_lines_and_comments() -> None:
    assert fingerprint(SOURCE) == fingerprint("# more\n\n" + SOURCE)
    assert fingerprint("x = 0.0") != fingerprint("x = -0.0")
    assert fingerprint("x = 1") != fingerprint("x = True")
    assert fingerprint("f = lambda: 1") != fingerprint("f = lambda: 2")
    assert fingerprint("x =") is None
    assert all(fingerprint(mutant.source) != fingerprint(SOURCE) for mutant in source_mutants(SOURCE, 100, 1))
