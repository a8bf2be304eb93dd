"""The split into a training part and a held-out part."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_upskill.generator.parts import split

DIFFICULTIES = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.integers(1, 5), max_size=24)


def test_ten_of_twenty_cases_are_held_out_and_both_parts_are_as_difficult() -> None:
    cases = {f"case_{at}": float(1 + at % 5) for at in range(20)}
    parts = split(cases, {})
    held_out = [name for name, part in parts.items() if part == "held-out"]
    assert len(held_out) == 10
    assert sum(cases[name] for name in held_out) == sum(cases.values()) / 2


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(DIFFICULTIES)
def test_parts_differ_by_one_case_at_most_and_do_not_depend_on_the_order(cases: dict[str, int]) -> None:
    difficulty = {name: float(value) for name, value in cases.items()}
    parts = split(difficulty, {})
    counts = [list(parts.values()).count(part) for part in ("training", "held-out")]
    assert abs(counts[0] - counts[1]) <= 1
    assert split(dict(reversed(difficulty.items())), {}) == parts
    sums = [sum(difficulty[name] for name in parts if parts[name] == part) for part in ("training", "held-out")]
    assert abs(sums[0] - sums[1]) <= 5


def test_known_cases_keep_their_part_and_new_ones_balance_them() -> None:
    known = {"a": ("training", 3.0), "b": ("training", 2.0)}
    assert split({"c": 1.0, "d": 5.0}, known) == {"c": "held-out", "d": "held-out"}  # type: ignore[arg-type]
