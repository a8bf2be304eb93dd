"""Shows one failed item on one screen: what failed, on which input, by how much, where, and how to run it again."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_upskill.records import Assertion, Counterexample, Outcome, WorstElement
from pytest_upskill.reporting.text_style import TextStyle, arm_label, measure, pad, printable

SCREEN = 40
"""The maximum number of lines of a failure, on 80 columns. Texts are cut only if all of them together are longer."""
NOT_TRIED = "not tried"
"""The beginning of the message of an assertion that was not tried. An empty message means the same."""

_USUAL = 24
"""A failure with fewer lines than this is filled up with lines of the source."""
_CODE = 4
"""The number of rows that the source gets in any case, if the screen has as many left."""
_MOST_CODE = 7
"""The maximum number of lines of the source."""
_LEVELS = (None, 8, 4, 2, 1)
"""Limits on the lines of one text. The first limit with which a failure fits on the screen is used."""
_LABEL = 10
_ERROR_LINE = re.compile(r"\b(?:fatal )?error\b|undefined reference", re.IGNORECASE)
_PLACE = re.compile(r"(?P<place>[^:\n]+\.\w+:\d+(?::\d+)?): (?:(?:fatal )?error: )?(?P<text>.+)")
"""Matches a message that begins with its place, such as ``kernel.cu:12: error: ...``."""
_WORDS = re.compile(r"(?:[^\s'\"\\]|\\.|'[^']*'|\"[^\"]*\"|['\"])+")
"""The words of a shell command, each with its quotes."""
_TOLD_BELOW = "; the worst is "
"""The rest of a message from here on repeats what is shown in separate lines."""


def failure_lines(outcome: Outcome, width: int = 80, color: bool = False, unicode: bool = True) -> list[str]:
    """Return lines that say why an item failed. They fit on one screen, and no line is wider than ``width``, except a
    replay command that cannot be wrapped.
    """
    text_style = TextStyle(max(width, 40), color, unicode)
    for most in _LEVELS:
        lines = list(_lines(outcome, text_style, most))
        if _height(lines, text_style) <= SCREEN:
            break
    return lines


def one_line(outcome: Outcome) -> str:
    """Return why an item did not pass, in one line. The place comes last, because the end of the line may be cut."""
    first, reason = outcome.verdict.headline, outcome.verdict.reason or outcome.verdict.kind.value
    name, message = (f"{first.name}: ", first.message or reason) if first else ("", reason)
    rows = printable(message.removeprefix(f"{outcome.id}: ")).splitlines() or [""]
    text = next(filter(_ERROR_LINE.search, rows), rows[0]) if name == "compiles: " else rows[0]
    text = text.rpartition("; ")[0] or text if text.endswith(":") else text  # the details are in the next lines
    if found := _PLACE.fullmatch(text):
        text = f"{found['text']} ({found['place']})"
    return name + " ".join(text.split())


def _lines(outcome: Outcome, text_style: TextStyle, most: int | None) -> Iterator[str]:
    first, found = outcome.verdict.headline, outcome.verdict.counterexample
    above = [*_title(outcome, text_style, most), *_claim(outcome, first, text_style, most)]
    if found is not None:
        above += ["", *_example(outcome, found, text_style, most)]
    below = [*_others(outcome, first, text_style, most), *_replay(outcome.replay, text_style)]
    height = _height([*above, *below], text_style) + bool(below)
    yield from above
    yield from _source(outcome, max(_USUAL - height, min(_CODE + 2, SCREEN - height)), text_style)
    if below:
        yield ""
        yield from below


def _height(lines: Sequence[str], text_style: TextStyle) -> int:
    """Return how many lines of the terminal these lines take. The terminal breaks lines that are too wide."""
    return sum(max(-(-measure(text_style.clean(line)) // text_style.width), 1) for line in lines)


def _title(outcome: Outcome, text_style: TextStyle, most: int | None) -> Iterator[str]:
    parts = [
        outcome.case or outcome.kind.value,
        outcome.student,
        outcome.arm and arm_label(outcome.arm),
        f"trial {outcome.trial}" if (outcome.trial or 1) > 1 else None,
        f"turn {len(outcome.turns)}" if len(outcome.turns) > 1 else None,
    ]
    title = f" {text_style.sign('dot')} ".join(filter(None, parts))
    *rows, last = text_style.wrap(title, text_style.width, most)
    skill = text_style.wrap(outcome.skill, text_style.width, most)
    for row in rows:
        yield text_style.paint(row, "bold")
    gap = text_style.width - measure(last) - measure(skill[0])
    beside = skill.pop(0) if gap >= 2 else ""
    yield text_style.paint(last, "bold") + (" " * gap + text_style.paint(beside, "dim") if beside else "")
    for row in skill:
        yield " " * (text_style.width - measure(row)) + text_style.paint(row, "dim")


def _claim(outcome: Outcome, first: Assertion | None, text_style: TextStyle, most: int | None) -> Iterator[str]:
    found = outcome.verdict.counterexample
    name = first.name if first else "failed"
    message = (first.message if first else outcome.verdict.reason) or (found.message if found else "")
    if found and found.worst:
        message = message.partition(_TOLD_BELOW)[0]
    head = text_style.wrap(f"{text_style.sign('cross')} {name}", text_style.width, most, hang=2)
    lines = _message(name, message, text_style, most)
    if len(lines) == len(head) == 1 and measure(head[0]) + 2 + measure(lines[0]) <= text_style.width:
        yield text_style.paint(head[0], "red", "bold") + "  " + lines[0].lstrip()
        return
    yield from (text_style.paint(row, "red", "bold") for row in head)
    yield from lines


def _message(name: str, message: str, text_style: TextStyle, most: int | None) -> list[str]:
    if name == "compiles":
        return _compiler(message, text_style, most)
    return [f"  {line}" for line in text_style.wrap(message, text_style.width - 2, most)]


def _compiler(message: str, text_style: TextStyle, most: int | None) -> list[str]:
    """Yield the compiler's first errors, without its excerpts of the source."""
    rows = list(dict.fromkeys(row for row in message.splitlines() if row.strip()))
    errors = [row for row in rows if _ERROR_LINE.search(row)]
    told, what = (errors, "error") if errors else (rows, "line")
    lines = [f"  {line}" for row in told[:3] for line in text_style.wrap(row, text_style.width - 2, most)]
    if len(told) > 3:
        more = f"  {text_style.sign('more')} and {len(told) - 3} more {what}" + "s" * (len(told) > 4)
        lines.append(text_style.paint(more, "dim"))
    return lines


def _example(outcome: Outcome, found: Counterexample, text_style: TextStyle, most: int | None) -> Iterator[str]:
    """Yield the counterexample, field by field, and what was wrong with the result."""
    room = text_style.width - _LABEL - 2
    yield from _field("example", text_style.wrap(str(found.example), room, most), "bold", text_style)
    inputs = [line for name, values in found.inputs.items()
              for line in text_style.wrap(f"{name} = {values}", room, most, hang=2)]  # fmt: skip
    yield from _field("inputs", inputs, "", text_style)
    fields = [("wrong", wrong, "")] if (wrong := _wrong(outcome, found)) else []
    if found.worst and not fields:
        fields += _worst(found.worst)
    if not found.reproducible:
        again = "not reproducible: the same input passed when run again; the kernel keeps state, or races"
        fields.append(("again", again, "yellow"))
    for label, text, style in fields:
        yield from _field(label, text_style.wrap(text, room, most), style, text_style)


def _wrong(outcome: Outcome, found: Counterexample) -> str:
    """Return the wrong values of the counterexample as one text, if a finding other than the values is the headline.

    Empty if the headline is the wrong values themselves, or if there is none.
    """
    first, shown = outcome.verdict.first_failed, outcome.verdict.headline
    if first is None or shown is first or shown is None:
        return ""
    if worst := found.worst:
        return f"{_element(worst)} is {worst.got}, expected {worst.expected}"
    return f"on another example, {first.name}: {first.message.rpartition(_TOLD_BELOW)[2]}"


def _element(worst: WorstElement) -> str:
    inside = ", ".join(map(str, worst.index))
    return f"{worst.output}[{inside}]" if inside else worst.output


def _worst(worst: WorstElement) -> Iterator[tuple[str, str, str]]:
    """Yield label, text and style of each field."""
    yield "worst", _element(worst), ""
    for label, number, style in (("expected", worst.expected, "green"), ("got", worst.got, "red")):
        if number != "None":
            yield label, number, style
    if error := _error(worst.error, worst.bound):
        yield "error", error, ""


def _error(error: str | None, bound: str | None) -> str:
    """Return the error and its bound in words; empty if values are compared exactly."""
    if bound is None or error is None:
        return (error or "") if bound is None else f"{bound} is allowed"
    text = f"{error}, where {bound} is allowed"
    try:
        times = float(error) / float(bound)
    except (ValueError, ZeroDivisionError):
        return text
    return f"{text}: {times:.3g} times the bound" if 1 < times < 1e9 else text


def _field(label: str, lines: Sequence[str], style: str, text_style: TextStyle) -> Iterator[str]:
    for number, line in enumerate(lines):
        margin = pad("" if number else label, _LABEL)
        yield f"  {text_style.paint(margin, 'dim')}{text_style.paint(line, style)}"


def _source(outcome: Outcome, room: int, text_style: TextStyle) -> Iterator[str]:
    """Yield the line to show and the lines around it, numbered as in the file that ``source_name`` names."""
    if (line := outcome.shown_line) is None or outcome.source is None or room < _CODE:
        return
    shift = outcome.source_start - 1
    place = f"{outcome.source_name}:{line + shift}" + (f", {outcome.shown_why}" if outcome.shown_why else "")
    head = ["", *text_style.lines(place, 2, "dim", hang=2)]
    for number in range(_MOST_CODE, 0, -1):
        found = excerpt(outcome.source, line, number)
        digits = len(str(found[-1][0] + shift))
        rows = [row for at, text in found for row in _row(at + shift, text, at == line, digits, text_style)]
        if len(head) + len(rows) <= room:
            break
    yield from (*head, *rows)


def _row(number: int, text: str, marked: bool, digits: int, text_style: TextStyle) -> Iterator[str]:
    sign, wall = text_style.sign("here") if marked else " ", text_style.sign("wall")
    for piece_number, piece in enumerate(text_style.wrap(text, text_style.width - digits - 8, 8) or [""]):
        margin = f"  {sign} {number:>{digits}}" if piece_number == 0 else " " * (digits + 4)
        row = f"{margin} {wall} {piece}".rstrip()
        yield text_style.paint(row, "bold") if marked else row


def excerpt(source: str, line: int, rows: int) -> list[tuple[int, str]]:
    """Return at most ``rows`` numbered lines around ``line`` (1-based), without the indentation that all these lines
    share.
    """
    lines = [text.expandtabs(4) for text in source.splitlines()]
    first = max(0, min(line - 1 - (rows - 1) // 2, len(lines) - rows))
    shown = lines[first : first + rows]
    indent = min((len(text) - len(text.lstrip()) for text in shown if text.strip()), default=0)
    return [(first + offset + 1, text[indent:]) for offset, text in enumerate(shown)]


def _others(outcome: Outcome, first: Assertion | None, text_style: TextStyle, most: int | None) -> Iterator[str]:
    rest = [one for one in outcome.verdict.assertions if not one.passed and one is not first]
    untried = [one.name for one in rest if not one.message or one.message.lower().startswith(NOT_TRIED)]
    failed = [one.name for one in rest if one.name not in untried]
    for label, names in (("also failed:", failed), (f"{NOT_TRIED}:", untried)):
        if names:
            head, *rows = text_style.wrap(f"{label} {', '.join(names)}", text_style.width - 2, most, len(label) + 1)
            yield f"  {text_style.paint(label, 'dim')}{head.removeprefix(label)}"
            yield from (f"  {row}" for row in rows)
    for note in outcome.notes:
        for line in text_style.wrap(f"note: {note}", text_style.width - 2, most, hang=6):
            yield f"  {text_style.paint(line, 'dim')}"


def _replay(command: str | None, text_style: TextStyle) -> Iterator[str]:
    """Yield the command in lines. It is broken between words, so that a shell still reads it as one command."""
    if not command:
        return
    # Letters that the terminal cannot show are kept, because another path would make it another command.
    words = _WORDS.findall(replace(text_style, unicode=True).clean(command))
    lines, start = [""], "  replay: "
    for word in words:
        joined = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(start) + len(joined) + 2 > text_style.width:
            lines.append(word)
        else:
            lines[-1] = joined
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        margin = text_style.paint(start, "dim") if number == 0 else " " * len(start)
        yield f"{margin}{text_style.paint(line, 'cyan')}{'' if last else ' ' + chr(92)}"
