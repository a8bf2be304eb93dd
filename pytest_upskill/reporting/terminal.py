"""Makes the header and the summary of a run, as lines. The hooks print the lines."""

from collections.abc import Iterator, Mapping, Sequence

from pytest_upskill.records import ItemKind, Outcome, Tokens, VerdictKind
from pytest_upskill.reporting.gate_lines import result_lines, reuse
from pytest_upskill.reporting.rubric import judge_texts
from pytest_upskill.reporting.self_check import self_check_lines
from pytest_upskill.reporting.summary_table import comparison_lines
from pytest_upskill.reporting.text_style import TextStyle, pad, plural, printable
from pytest_upskill.reporting.view import SkillView, View

CPU_CAVEAT = (
    "judged on the cpu device: the same programs, executed by this machine; not a proof of the tolerance on a GPU"
)
_TITLE = " skills "
_LABEL = 9
_NOTES = 6


def header_lines(facts: Mapping[str, str]) -> Iterator[str]:
    """Yield the header of a run, one line for each fact, such as ``upskill device: ...``."""
    for name, text in facts.items():
        yield printable(f"upskill {name}: {text}")


def summary_lines(view: View, width: int, color: bool, unicode: bool = True, verbosity: int = 0) -> Iterator[str]:
    """Return the summary of a run. No line is wider than ``width`` columns (at least 60). ``verbosity`` is pytest's."""
    text_style = TextStyle(max(width, 60), color, unicode)
    left = (text_style.width - len(_TITLE)) // 2
    yield text_style.paint(f"{'=' * left}{_TITLE}".ljust(text_style.width, "="), "bold")
    if not view.run.device:
        yield f"{plural(sum(len(skill.judged) for skill in view.skills), 'prompt')} written; no student was queried"
        where, command = view.run.answers or ("", "")
        yield from text_style.wrap(where, text_style.width)
        yield from [f"  {command}"] if command else []  # printed in one line, so that it can be copied
        return
    if view.run.self_check:
        for skill in view.skills:
            yield from self_check_lines(skill, text_style, _problems)
    else:
        yield from comparison_lines(view, text_style, _problems, verbosity)
        yield from result_lines(view, text_style, verbosity)
    yield from _footer(view, text_style, quiet=verbosity < 0)


def _problems(skill: SkillView, text_style: TextStyle) -> Iterator[str]:
    """Yield what is wrong with the skill itself, and each case for which no kernel could be judged, once."""
    refused: set[str | None] = set()
    for item in skill.items:
        reason = item.verdict.reason or item.verdict.kind.value
        if item.kind is ItemKind.SPEC and item.verdict.kind is not VerdictKind.PASSED:
            yield from _marked("red", f"SKILL.md: {reason}", text_style)
        elif item.kind is ItemKind.BROKEN_CASE:  # pytest's report of the failure has the reason
            yield from _marked("red", f"broken case {item.case}", text_style)
        elif _is_refused(item) and item.case not in refused:
            refused.add(item.case)
            yield from _marked("yellow", f"case {item.case}: {reason}", text_style)


def _is_refused(item: Outcome) -> bool:
    """Return whether the case is at fault: a student's item is inconclusive, and has neither a reply nor a kernel."""
    unsure = item.kind in (ItemKind.KERNEL, ItemKind.TEXT) and item.verdict.kind is VerdictKind.INCONCLUSIVE
    return unsure and item.student != "golden" and item.source is None and item.tokens == Tokens()


def _marked(color: str, text: str, text_style: TextStyle) -> Iterator[str]:
    for number, line in enumerate(text_style.wrap(text, text_style.width - 4)):
        mark = text_style.sign("cross") if number == 0 else " "
        yield f"  {text_style.paint(mark, color)} {text_style.paint(line, color)}"


def _footer(view: View, text_style: TextStyle, quiet: bool) -> Iterator[str]:
    """Yield the lines below the table that apply to this run. If ``quiet``, only the run's own notes and gaps are
    shown.
    """
    notes = [*filter(None, [view.gap]), *view.run.notes]
    facts = [] if quiet else _facts(view)
    for label, text in (*(("note", note) for note in (notes if quiet else [*_notes(view), *notes])), *facts):
        for number, line in enumerate(text_style.wrap(text, text_style.width - _LABEL)):
            margin = pad("" if number else label, _LABEL)
            yield f"{text_style.paint(margin, 'dim')}{line}".rstrip()


def _facts(view: View) -> list[tuple[str, str]]:
    run = view.run
    ran = not view.items or any(item.kind in (ItemKind.KERNEL, ItemKind.MUTANTS) for item in view.items)
    facts = {
        "device": (CPU_CAVEAT if run.device == "cpu" else f"judged on the {run.device} device") if ran else "",
        "sandbox": run.sandbox if ran else "",
        "seed": f"{run.seed}; --upskill-seed={run.seed} repeats this run's examples exactly" if ran else "",
        "replies": "; ".join(filter(None, (f"kept in {run.replies}" if run.replies else "", run.source))),
        "reused": reuse(view),
        "judge": "; ".join(judge_texts(view.judges)),
        "spent": run.spent,
    }
    return [(label, text) for label, text in facts.items() if text]


def _notes(view: View) -> Iterator[str]:
    """Yield each note of the items once, with its cases."""
    marked: dict[str, dict[str, None]] = {}
    for item in view.items:
        for note in item.notes if item.kind is not ItemKind.SPEC else ():  # pytest prints these as warnings
            marked.setdefault(note, {})[item.case or item.skill] = None
    shown = list(marked.items())[:_NOTES]
    for note, cases in shown:
        yield f"{note}: {_some(list(cases))}"
    if len(marked) > len(shown):
        yield f"and {plural(len(marked) - len(shown), 'other note')}, in the reports"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
