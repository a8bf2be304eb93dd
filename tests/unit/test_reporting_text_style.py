"""Short forms of numbers, widths, and which lines of a kernel are shown."""

from __future__ import annotations

import pytest

from pytest_upskill.reporting.failure import excerpt
from pytest_upskill.reporting.text_style import (
    Cell,
    TextStyle,
    can_show,
    count,
    duration,
    flow,
    measure,
    money,
    pad,
    percent,
    points,
    printable,
)
from tests.unit.reporting_outcomes import SOURCE

PLAIN = TextStyle(80, color=False, unicode=True)
ASCII = TextStyle(80, color=False, unicode=False)


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0, "0%"), (1.0, "100%"), (0.875, "88%"), (0.9999, "99%"), (0.0001, "1%"), (0.5, "50%")]
)
def test_only_all_is_100_percent_and_only_none_is_0(rate: float, text: str) -> None:
    assert percent(rate) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (1249, "1.2k"), (9949, "9.9k"), (9960, "10k"), (48_400, "48k"),
     (999_400, "999k"), (999_600, "1.0M"), (1_340_000, "1.3M"), (2_000_000_000, "2.0G")],
)  # fmt: skip
def test_counts_have_two_or_three_digits(number: int, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (59.4, "59s"), (59.6, "1m00s"), (192, "3m12s"),
     (3600, "1h00m"), (3840, "1h04m")],
)  # fmt: skip
def test_durations_change_their_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"), [(0.0, "$0.00"), (1.234, "$1.23"), (0.01, "$0.01"), (0.0012, "$0.0012"), (0.00001, "<$0.0001")]
)
def test_money_keeps_what_counts(usd: float, text: str) -> None:
    assert money(usd) == text


def test_points_are_signed_and_zero_is_not() -> None:
    assert [points(x, ASCII) for x in (0.5625, -0.25, 0.001, -0.001, 0.0)] == ["+56", "-25", "0", "0", "0"]


def test_padding_counts_columns_not_letters() -> None:
    assert pad("漢", 4) == "漢  "
    assert pad("7", 3, ">") == "  7"


def test_wrapping_keeps_line_ends_and_words() -> None:
    assert PLAIN.wrap("one two three\nfour", 9) == ["one two", "three", "four"]


@pytest.mark.parametrize("width", range(8, 30))
@pytest.mark.parametrize(
    "text", ["abcdefghijkl" * 9, "漢字漢字漢字" * 5, "e\u0301" * 50, "a bc " * 30, "  " * 9 + "x y " * 9]
)
def test_a_wrapped_text_loses_no_letter_and_is_no_wider_than_asked(width: int, text: str) -> None:
    for hang in (0, 2, 40):
        lines = PLAIN.wrap(text, width, hang=hang)
        assert max(map(measure, lines)) <= width
        assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize("most", [1, 2, 3])
def test_only_a_text_that_is_longer_than_it_may_be_ends_in_a_sign(most: int) -> None:
    lines = PLAIN.wrap("word " * 50, 20, most)
    assert len(lines) == most and lines[-1].endswith(" …")
    assert max(map(measure, lines)) <= 20
    assert PLAIN.wrap("word word " * most, 9, most) == ["word word"] * most


def test_cells_of_one_width_share_lines_and_a_wider_one_has_lines_of_its_own() -> None:
    style = TextStyle(24, color=False, unicode=True)
    cells = [Cell(("one",)), Cell(("two",)), Cell(("a name of 16 let",)), Cell(("words " * 6,))]
    assert list(flow(cells, style, 2)) == [
        "  one   two", "  a name of 16 let", "  words words words", "    words words words",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "able"), [("utf-8", True), ("ascii", False), ("latin-1", False), (None, False), ("?", False)]
)
def test_an_encoding_either_has_every_sign_or_gets_none(encoding: str | None, able: bool) -> None:
    assert can_show(encoding) is able


# --------------------------------------------------------------------------------------------- excerpts


@pytest.mark.parametrize("line", [1, 2, 8, 15, 16])
def test_the_window_holds_its_line_and_no_more_rows_than_asked(line: int) -> None:
    rows = excerpt(SOURCE, line, 5)
    assert len(rows) == 5
    assert line in [number for number, _ in rows]
    assert all(SOURCE.splitlines()[number - 1].strip() == text.strip() for number, text in rows)


def test_a_short_source_is_shown_whole() -> None:
    assert excerpt("a\n b", 2, 7) == [(1, "a"), (2, " b")]


def test_printable_keeps_lines_and_nothing_that_steers_a_terminal() -> None:
    assert printable("one\x1b[2J\x07\ntwo \x1b]0;title\x07é") == "one?\ntwo é"
