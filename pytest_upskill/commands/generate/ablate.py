"""``upskill-gen ablate SKILL --student NAME``: measures which sections of a skill carry its lift."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from pytest_upskill.commands.generate.asking import Usd
from pytest_upskill.commands.generate.progress import Progress
from pytest_upskill.commands.generate.session import Session
from pytest_upskill.commands.generate.student_runs import (
    JUDGE,
    Answers,
    Subject,
    cost_in_words,
    running,
    subject_of,
    with_judges,
)
from pytest_upskill.commands.history_options import terminal_style
from pytest_upskill.errors import BudgetStopped, SkillError, StudentError, UsageError
from pytest_upskill.generator.ablate import Ablation, Effect, Row, ablate, cost, what_can_be_decided
from pytest_upskill.generator.experiment import Cost
from pytest_upskill.generator.sections import Section, sections_of
from pytest_upskill.replies.ledger import Limits
from pytest_upskill.reporting.text_style import TextStyle, measure, pad, plural, printable
from pytest_upskill.skills.skill import tokens_of
from pytest_upskill.statistics.significance import pairs_needed

DONE, UNDECIDED, UNFINISHED, INTERRUPTED = 0, 7, 3, 130
_COLORS = {Effect.CARRIES: "green", Effect.HARMS: "red", Effect.NONE: "dim", Effect.UNDECIDED: "yellow"}


@click.command(
    "ablate",
    epilog="The exit status is 0 if the cases were answered, 7 if there are too few to decide anything (nothing is "
    "asked then), 2 for a usage error, and 3 if the budget is used up: run the same command again to continue.",
)
@click.argument("skill", metavar="SKILL", type=click.Path(path_type=Path))
@click.option("--student", metavar="NAME", required=True, help="The student that answers the cases.")
@JUDGE
@click.option(
    "--trials", type=click.IntRange(1, 100), default=1, show_default=True, help="Answers to each case and version."
)
@click.option("--budget", metavar="USD", type=Usd(), help="Maximum cost of this command.")
@click.option("--max-tokens", metavar="N", type=click.IntRange(0), help="Maximum tokens that this command may use.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where kernels run.")
@click.option("--yes", is_flag=True, help="Start without asking for confirmation.")
@click.option("--dry-run", is_flag=True, help="Show the sections and the cost estimate; query no model.")
@click.option("--json", "as_json", is_flag=True, help="Write the result to stdout as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    skill: Path,
    student: str,
    judge: str | None,
    trials: int,
    budget: float | None,
    max_tokens: int | None,
    device: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Measure which sections of a skill carry its lift.

    The student answers the cases with the whole skill, without the skill, and without each section in turn. A section
    without a measured effect can be removed. All such sections are also left out together, because two of them may say
    the same.
    """
    progress = Progress()
    subject = with_judges(subject_of(skill, student, progress), judge, progress)
    if not (sections := sections_of(subject.text, subject.skill_path)):
        raise SkillError("the text has no section that could be left out: write some under '## ' headings", skill)
    progress.line(f"{subject.name}: about {tokens_of(subject.text)} tokens in {plural(len(sections), 'section')}")
    decidable = what_can_be_decided(len(subject.cases), len(sections))
    progress.line(decidable)
    plain: dict[str, Any] = {"decidable": decidable}
    session = Session(subject.rootdir, Limits(budget, max_tokens, "--"))
    try:
        with running(subject, session, device, progress) as runner:
            most = cost(runner, subject.cases, subject.text, sections, trials)
            plain["estimate"] = cost_in_words(subject.asked, most)
            progress.line(plain["estimate"])
            found, status = None, DONE
            if len(subject.cases) < pairs_needed(len(sections)):
                status = UNDECIDED
                progress.line("nothing was asked; add cases with 'upskill-gen add-cases'")
            elif not dry_run:
                _confirm(most, yes)
                with progress:
                    seen = Answers(progress, most.asked + most.stored)
                    found = ablate(runner, subject.cases, subject.text, sections, trials, seen)
    except BudgetStopped as error:
        progress.line(f"stopped: {error}")
        found, status = None, UNFINISHED
    except StudentError as error:
        progress.line(f"stopped: {error}; the same command continues from here")
        found, status = None, UNFINISHED
    except KeyboardInterrupt:
        progress.line("interrupted; answers are stored, and the same command continues")
        found, status = None, INTERRUPTED
    finally:
        plain["spent"] = session.plain()
        if spent := session.spent():
            progress.line(f"spent: {spent}")
        session.close()
    _show(subject, sections, found, plain, status, as_json)
    ctx.exit(status)


def _confirm(most: Cost, yes: bool) -> None:
    """Ask the user before anything is paid for. Raises UsageError if there is no terminal."""
    if yes or not most.asked or most.usd == 0:
        return
    if not sys.stdin.isatty():
        raise UsageError("querying the student may cost money (see the estimate): add --yes")
    click.confirm("Ask the student?", abort=True, err=True)


def _show(
    subject: Subject,
    sections: Sequence[Section],
    found: Ablation | None,
    plain: dict[str, Any],
    status: int,
    as_json: bool,
) -> None:
    if as_json:
        facts = {
            "command": "ablate", "skill": str(subject.skill_path.parent), "student": subject.student.name, **plain,
            "sections": [{"title": one.title, "tokens": one.tokens} for one in sections] if found is None
            else [_plain_row(row) for row in found.rows],
            "lift": None if found is None else found.lift.mean,
            "together": _plain_row(found.together) if found and found.together else None,
            "may_go": [row.title for row in found.may_go] if found else [],
            "undecided_answers": found.undecided if found else 0,
            "exit_status": status,
        }  # fmt: skip
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        return
    style = terminal_style()
    lines = _section_lines(sections) if found is None else _result_lines(found, style)
    for line in lines:
        click.echo(line)


def _section_lines(sections: Sequence[Section]) -> Iterator[str]:
    width = max(measure(one.title) for one in sections)
    for one in sections:
        yield f"{pad(printable(one.title), width)}  {one.tokens:>6} tokens"


def _result_lines(found: Ablation, style: TextStyle) -> Iterator[str]:
    if found.lift.mean is not None:
        yield f"lift of the whole skill: {_points(found.lift.mean)} points, over {plural(found.lift.pairs, 'case')}"
    rows = [*found.rows, *([found.together] if found.together else [])]
    table = [("section", "tokens", "drop, points", "95%", "p", ""), *map(_cells, rows)]
    widths = [max(measure(row[place]) for row in table) for place in range(len(table[0]))]
    for number, cells in enumerate(table):
        if found.together and number == len(table) - 1:
            yield ""
        text = "  ".join(pad(cell, width) for cell, width in zip(cells[:-1], widths, strict=False))
        effect = style.paint(cells[-1], _COLORS[rows[number - 1].effect]) if number else ""
        yield style.paint(text, "bold") if number == 0 else f"{text}  {effect}"
    if found.undecided:
        yield f"{plural(found.undecided, 'answer')} without a verdict (server, time limit, machine) count nowhere"
    yield from ("", *_suggestion(found))


def _suggestion(found: Ablation) -> Iterator[str]:
    if not (going := found.may_go):
        yield "no section may go, as far as these cases tell"
        return
    together = found.together
    if together is not None and together.effect not in (Effect.NONE, Effect.HARMS):
        yield (
            f"each of {plural(len(going), 'section')} shows no effect alone, but all of them together: "
            f"{together.effect}; leave out some of them, and measure again"
        )
        return
    saved = sum(row.tokens for row in going)
    yield f"may go, and save about {saved} tokens: {', '.join(printable(row.title) for row in going)}"
    yield "'no effect seen' is not proof: the interval shows which effects the answers do not exclude"


def _cells(row: Row) -> tuple[str, ...]:
    low_high = f"[{_points(row.interval[0])}, {_points(row.interval[1])}]" if row.interval else ""
    drop = "" if row.drop is None else _points(row.drop)
    return (
        printable(row.title),
        str(row.tokens),
        drop,
        low_high,
        "" if row.p is None else f"{row.p:.3g}",
        str(row.effect),
    )


def _points(share: float) -> str:
    return f"{100 * share:+.0f}" if round(100 * share) else "0"


def _plain_row(row: Row) -> dict[str, Any]:
    return {
        "title": row.title, "tokens": row.tokens, "pairs": row.pairs, "drop": row.drop, "interval": row.interval,
        "p": row.p, "effect": str(row.effect),
    }  # fmt: skip
