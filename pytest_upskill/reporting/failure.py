"""One failed item on one screen: what failed, on which input, by how much, where, and how to run it again."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_upskill.records import Assertion, Counterexample, Outcome, VerdictKind, WorstElement
from pytest_upskill.reporting.text_style import TextStyle, arm_label, measure, pad

SCREEN = 24
"""Lines that a failure may take, on 80 columns."""
NOT_TRIED = "not tried"
"""How the message of an assertion starts that was not tried; an empty message means the same."""

_LABEL = 10
_ERROR_LINE = re.compile(r"\b(?:fatal )?error\b|undefined reference", re.IGNORECASE)
_WORDS = re.compile(r"(?:[^\s'\"\\]|\\.|'[^']*'|\"[^\"]*\"|['\"])+")
"""The words of a shell command, with their quotes."""
_TOLD_BELOW = "; the worst is "
"""From here on a message repeats what is shown in lines of its own."""
_CODE = 6
"""Lines for the place and the source, which the values of inputs leave free."""


def failure_lines(outcome: Outcome, width: int = 80, color: bool = False, unicode: bool = True) -> Iterator[str]:
    """Why an item did not pass, on one screen. No line is wider than ``width``, except a replay
    command that cannot be wrapped."""
    text_style = TextStyle(max(width, 40), color, unicode)
    if outcome.verdict.kind is not VerdictKind.FAILED:
        word = outcome.verdict.kind.value.replace("-", " ")
        yield from text_style.wrap(f"{word}: {outcome.verdict.reason or 'no reason was given'}", text_style.width, 2)
        return
    first, found = outcome.verdict.headline, outcome.verdict.counterexample
    above = [_title(outcome, text_style), *_claim(outcome, first, text_style)]
    example, evidence = _example(found, text_style), [*_evidence(outcome, found, text_style)]
    below = [*_others(outcome, first, text_style), *_replay(outcome.replay, text_style)]
    room = SCREEN - _height([*above, *example, *evidence, *below], text_style) - 2
    inputs = _inputs(found, room - _CODE, text_style)
    yield from (*above, *example, *inputs, *evidence)
    yield from _source(outcome, room - len(inputs), text_style)
    if below:
        yield ""
        yield from below


def _height(lines: Sequence[str], text_style: TextStyle) -> int:
    """The lines of the terminal that these take, which breaks those that are too wide."""
    return sum(max(-(-measure(text_style.clean(line)) // text_style.width), 1) for line in lines)


def _title(outcome: Outcome, text_style: TextStyle) -> str:
    parts = [
        outcome.case or outcome.kind.value,
        outcome.student,
        outcome.arm and arm_label(outcome.arm),
        f"trial {outcome.trial}" if (outcome.trial or 1) > 1 else None,
        f"turn {len(outcome.turns)}" if len(outcome.turns) > 1 else None,
    ]
    skill = text_style.elide_middle(outcome.skill, text_style.width // 3)
    title = f" {text_style.sign('dot')} ".join(filter(None, parts))
    left = text_style.elide(title, text_style.width - measure(skill) - 2)
    gap = " " * (text_style.width - measure(left) - measure(skill))
    return text_style.paint(left, "bold") + gap + text_style.paint(skill, "dim")


def _claim(outcome: Outcome, first: Assertion | None, text_style: TextStyle) -> Iterator[str]:
    found = outcome.verdict.counterexample
    name = first.name if first else "failed"
    message = (first.message if first else outcome.verdict.reason) or (found.message if found else "")
    if found and found.worst:
        message = message.partition(_TOLD_BELOW)[0]
    head = f"{text_style.sign('cross')} {name}"
    lines = _message(name, message, text_style)
    if len(lines) == 1 and len(head) + 2 + measure(lines[0]) <= text_style.width:
        yield text_style.paint(head, "red", "bold") + "  " + lines[0].lstrip()
        return
    yield text_style.paint(head, "red", "bold")
    yield from lines


def _message(name: str, message: str, text_style: TextStyle) -> list[str]:
    if name == "compiles":
        return _compiler(message, text_style)
    limit = 10 if name in ("reply", "contract", "failed") else 4
    return [f"  {line}" for line in text_style.wrap(message, text_style.width - 2, limit)]


def _compiler(message: str, text_style: TextStyle) -> list[str]:
    """The compiler's first errors, without its excerpts of the source."""
    rows = list(dict.fromkeys(row for row in message.splitlines() if row.strip()))
    errors = [row for row in rows if _ERROR_LINE.search(row)]
    shown = errors[:3] or rows[:4]
    lines = [f"  {line}" for row in shown for line in text_style.wrap(row, text_style.width - 2, 3)]
    if len(errors) > len(shown):
        lines.append(text_style.paint(f"  {text_style.sign('more')} and {len(errors) - len(shown)} more errors", "dim"))
    return lines


def _example(found: Counterexample | None, text_style: TextStyle) -> list[str]:
    if found is None:
        return []
    lines = text_style.wrap(str(found.example), text_style.width - _LABEL - 2, 2)
    return ["", *_field("example", lines, "bold", text_style)]


def _inputs(found: Counterexample | None, lines: int, text_style: TextStyle) -> list[str]:
    """The values of small inputs, one line each."""
    room = text_style.width - _LABEL - 2
    shown = [text_style.elide(f"{name} = {values}", room) for name, values in (found.inputs if found else {}).items()]
    return [*_field("inputs", shown[: max(lines, 0)], "", text_style)]


def _evidence(outcome: Outcome, found: Counterexample | None, text_style: TextStyle) -> Iterator[str]:
    if found is None:
        return
    room = text_style.width - _LABEL - 2
    if wrong := _wrong(outcome, found):
        yield from _field("wrong", text_style.wrap(wrong, room, 2), "", text_style)
    elif found.worst:
        yield from _worst(found.worst, room, text_style)
    if not found.reproducible:
        again = "not reproducible: the same input passed when run again; the kernel keeps state, or races"
        yield from _field("again", text_style.wrap(again, room, 2), "yellow", text_style)


def _wrong(outcome: Outcome, found: Counterexample) -> str:
    """The wrong values that the finding of the counterexample explains, in one text; empty if there is no such finding
    or no wrong value."""
    first, shown = outcome.verdict.first_failed, outcome.verdict.headline
    if first is None or shown is first or shown is None:
        return ""
    if worst := found.worst:
        return f"{_element(worst)} is {worst.got}, expected {worst.expected}"
    return f"on another example, {first.name}: {first.message.rpartition(_TOLD_BELOW)[2]}"


def _element(worst: WorstElement) -> str:
    inside = ", ".join(map(str, worst.index))
    return f"{worst.output}[{inside}]" if inside else worst.output


def _worst(worst: WorstElement, room: int, text_style: TextStyle) -> Iterator[str]:
    fields = [("worst", _element(worst), "")]
    numbers = (("expected", worst.expected, "green"), ("got", worst.got, "red"))
    fields += [field for field in numbers if field[1] != "None"]
    if error := _error(worst.error, worst.bound):
        fields.append(("error", error, ""))
    for label, text, style in fields:
        yield from _field(label, [text_style.elide(text, room)], style, text_style)


def _error(error: str | None, bound: str | None) -> str:
    """Empty if values are compared exactly."""
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
    if (line := outcome.shown_line) is None or outcome.source is None or room < 4:
        return
    yield ""
    place = f"{outcome.source_name}:{line}" + (f", {outcome.shown_why}" if outcome.shown_why else "")
    yield text_style.line(place, 2, "dim")
    rows = excerpt(outcome.source, line, min(7, room - 3))
    digits = len(str(rows[-1][0]))
    for number, text in rows:
        marked = number == line
        sign = text_style.sign("here") if marked else " "
        room = text_style.width - digits - 8
        pieces = text_style.wrap(text, room, 2) if marked else [text_style.elide(text, room)]
        for piece_number, piece in enumerate(pieces or [""]):
            margin = f"  {sign} {number:>{digits}}" if piece_number == 0 else " " * (digits + 4)
            row = f"{margin} {text_style.sign('wall')} {piece}".rstrip()
            yield text_style.paint(row, "bold") if marked else row


def excerpt(source: str, line: int, rows: int) -> list[tuple[int, str]]:
    """At most ``rows`` numbered lines around ``line`` (1-based), without the indentation that all of them share."""
    lines = [text.expandtabs(4) for text in source.splitlines()]
    first = max(0, min(line - 1 - (rows - 1) // 2, len(lines) - rows))
    shown = lines[first : first + rows]
    indent = min((len(text) - len(text.lstrip()) for text in shown if text.strip()), default=0)
    return [(first + offset + 1, text[indent:]) for offset, text in enumerate(shown)]


def _others(outcome: Outcome, first: Assertion | None, text_style: TextStyle) -> Iterator[str]:
    rest = [one for one in outcome.verdict.assertions if not one.passed and one is not first]
    untried = [one.name for one in rest if not one.message or one.message.lower().startswith(NOT_TRIED)]
    failed = [one.name for one in rest if one.name not in untried]
    for label, names in (("also failed", failed), (NOT_TRIED, untried)):
        if names:
            shown = text_style.elide(", ".join(names), text_style.width - len(label) - 4)
            yield f"  {text_style.paint(label + ':', 'dim')} {shown}"
    if outcome.notes:
        yield text_style.line(f"note: {'; '.join(outcome.notes)}", 2, "dim")


def _replay(command: str | None, text_style: TextStyle) -> Iterator[str]:
    """The command, broken between its words so that a shell still reads it as one."""
    if not command:
        return
    # Its letters are kept even where the terminal lacks them: another path would be another command.
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
