"""Everything that is known about one item, as lines. Items that passed and items of control arms can be shown, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pytest_upskill.records import Counterexample, Finding, Outcome, VerdictKind, Window
from pytest_upskill.reporting import text_style as texts
from pytest_upskill.reporting.text_style import TextStyle, pad

_CELL = 12
_LABEL = 10
_NOT_STORED = "not stored"


def item_lines(item: Outcome, text_style: TextStyle, only: str = "") -> Iterator[str]:
    """Yield the parts of an item with their headings. Empty parts are left out. ``only`` names one of PARTS."""
    if not only:
        yield from _title(item, text_style)
    for name, part in PARTS.items():
        wanted = name == only or (not only and name != "reasoning")
        lines = list(part(item, text_style)) if wanted else []
        if lines:
            yield ""
            yield text_style.paint(f"--- {name} ---", "bold")
            yield from lines


def part_text(item: Outcome, name: str) -> str | None:
    """Return the unchanged text of a part that consists of one text, None for another part."""
    return {"prompt": item.prompt, "reply": item.reply, "kernel": item.source or ""}.get(name)


def _title(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    yield text_style.paint(text_style.clean(item.id), "bold")
    kind = item.verdict.kind
    color = {VerdictKind.PASSED: "green", VerdictKind.FAILED: "red"}.get(kind, "yellow")
    yield text_style.paint(kind.value, color, "bold")
    if item.verdict.reason:
        yield from text_style.lines(item.verdict.reason, 2)
    for note in item.notes:
        yield from text_style.lines(f"note: {note}", 2, "dim", hang=6)


def _plain(text: str | None, text_style: TextStyle, digest: str = "") -> Iterator[str]:
    """Yield the lines of a text without control sequences and otherwise unchanged."""
    if text:
        yield from map(text_style.clean, text.splitlines())
    elif digest:
        yield f"{_NOT_STORED} ({digest[:12]})"


def _prompt(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    yield from _plain(item.prompt, text_style, item.prompt_digest)


def _reply(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    for number, turn in enumerate(item.turns[:-1], start=1):
        if turn.reply:
            yield text_style.paint(f"turn {number}: {turn.verdict.value}", "dim")
            yield from _plain(turn.reply, text_style)
            yield ""
    if item.reasoning:
        size = texts.plural(len(item.reasoning), "character")
        yield text_style.paint(f"(after {size} of reasoning, which --part=reasoning shows)", "dim")
    yield from _plain(item.reply, text_style, item.reply_digest)


def _reasoning(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    yield from _plain(item.reasoning, text_style)


def _kernel(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    """Yield the source with line numbers. A sign marks the line at fault, a minus each line that no traced call
    executed.
    """
    lines = (item.source or "").splitlines()
    digits = len(str(len(lines) + item.source_start))
    unseen = {line for first, last in item.not_executed for line in range(first, last + 1)}
    for number, line in enumerate(lines, start=1):
        marked = number == item.shown_line
        sign = text_style.sign("here") if marked else "-" if number in unseen else " "
        row = f"{sign} {number + item.source_start - 1:>{digits}} {text_style.sign('wall')} {text_style.clean(line)}"
        yield text_style.paint(row.rstrip(), "bold", "red") if marked else row.rstrip()
    if item.shown_line and item.shown_why:
        yield text_style.paint(f"{text_style.sign('here')} {text_style.clean(item.shown_why)}", "dim")
    if unseen and lines:
        yield text_style.paint("-  lines that no traced call executed", "dim")


def _assertions(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    for one in item.verdict.assertions:
        sign, color = ("tick", "green") if one.passed else ("cross", "red")
        first, *rest = one.message.splitlines() or [""]
        head = f"{text_style.sign(sign)} {one.name}" + (f"  {first}" if first else "")
        yield from text_style.lines(head, 0, color, hang=2)
        for line in rest:  # a message of the compiler has its own layout
            yield f"    {text_style.clean(line)}"


def _counterexample(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    if (found := item.verdict.counterexample) is None:
        return
    for label, text in _fields(found).items():
        margin = text_style.paint(pad(label, _LABEL), "dim")
        for number, line in enumerate(text_style.wrap(text, text_style.width - _LABEL, hang=2)):
            yield f"{margin if number == 0 else ' ' * _LABEL}{line}"
    if found.worst and found.worst.around:
        yield from _window(found.worst.around, text_style)


def _fields(found: Counterexample) -> dict[str, str]:
    fields = {"assertion": found.assertion, "example": str(found.example), "message": found.message}
    fields |= dict(found.inputs)
    if worst := found.worst:
        inside = ", ".join(map(str, worst.index))
        fields |= {"worst": f"{worst.output}[{inside}]", "expected": worst.expected, "got": worst.got}
        fields |= {"error": worst.error or "", "allowed": worst.bound or ""}
    fields["line"] = str(found.line) if found.line else ""
    fields["again"] = "" if found.reproducible else "not reproducible: the same input passed when run again"
    return {name: text for name, text in fields.items() if text}


def _window(window: Window, text_style: TextStyle) -> Iterator[str]:
    """Yield expected and computed values around the worst element. Values beyond the bound are marked."""
    row, col = window.start
    wrong = [[ratio is None or ratio > 1 for ratio in line] for line in window.ratios]
    for label, values in (("expected", window.expected), ("got", window.got)):
        heads = (f"[{col + at}]" for at in range(len(values[0]) if values else 0))
        yield text_style.paint(pad(label, _LABEL) + "".join(pad(head, _CELL, ">") for head in heads), "dim")
        for number, line in enumerate(values):
            flags = wrong[number] if label == "got" and number < len(wrong) else [False] * len(line)
            cells = [f"{'*' if bad else ''}{value}" for bad, value in zip(flags, line, strict=False)]
            shown = "".join(" " + pad(text_style.clean(cell), _CELL - 1, ">") for cell in cells)
            yield f"{pad(f'[{row + number}]', _LABEL, '>')}{shown}"
    if any(map(any, wrong)):
        yield text_style.paint("*  beyond what is allowed", "dim")


def _reports(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    for report in item.reports:
        yield from text_style.lines(_report(report), 0, hang=2)


def _report(report: Finding) -> str:
    line = f"line {report.line}: " if report.line else ""
    return f"{report.assertion} ({report.kind}): {line}{report.message}"


def _launches(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    if (seen := item.launches) is not None:
        yield f"{texts.plural(seen.launches, 'kernel launch').replace('launchs', 'launches')} in {seen.calls} calls"
        if seen.copied_back:
            yield f"up to {seen.copied_back} bytes copied to the host in a call"
    if item.device_memory is not None:
        yield f"up to {item.device_memory} bytes of device memory in use"
    for kernel in item.kernels:
        yield text_style.clean(
            f"{kernel.name} ({kernel.architecture}): {kernel.registers} registers, {kernel.shared} bytes of shared "
            f"memory, {kernel.stack} bytes of stack"
        )


def _compiler(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    yield from map(text_style.clean, item.compilers)
    said = next((one.message for one in item.verdict.assertions if one.name == "compiles"), "")
    yield from _plain(said, text_style)


def _facts(item: Outcome, text_style: TextStyle) -> Iterator[str]:
    tokens, seconds = item.tokens, item.seconds
    facts: Mapping[str, str] = {
        "tokens": f"{tokens.input} in, {tokens.output} out" if tokens.input or tokens.output else "",
        "cost": "" if item.cost_usd is None else texts.money(item.cost_usd),
        "time": f"reply {seconds.reply:.1f}s, build {seconds.build:.1f}s, run {seconds.run:.1f}s",
        "skill": item.skill_digest[:12],
        "case": item.case_digest[:12],
        "prompt": item.prompt_digest[:12],
        "replay": item.replay or "",
    }
    for label, text in facts.items():
        if text:
            yield f"{text_style.paint(pad(label, _LABEL), 'dim')}{text_style.clean(text)}"


PARTS: Mapping[str, Callable[[Outcome, TextStyle], Iterator[str]]] = {
    "prompt": _prompt,
    "reasoning": _reasoning,
    "reply": _reply,
    "kernel": _kernel,
    "assertions": _assertions,
    "counterexample": _counterexample,
    "reports": _reports,
    "launches": _launches,
    "compiler": _compiler,
    "facts": _facts,
}
"""The functions that return the lines of each part of an item, by name, in the order in which the parts are shown."""
