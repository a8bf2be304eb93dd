"""What ``from-trace`` and ``from-docs`` share: options, and writing a skill from a text."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pytest_upskill.commands.generate.asking import Asking, AskOptions, asks_a_teacher, language_option
from pytest_upskill.commands.generate.new import check_name, write
from pytest_upskill.generator.questions import Order
from pytest_upskill.importers.materials import in_parts
from pytest_upskill.importers.transcripts import UNREAD
from pytest_upskill.reporting.text_style import plural
from pytest_upskill.skills.skill import tokens_of

PART_TOKENS = 100_000
_OPTIONS = (
    click.option("--task", metavar="TASK", help="What the skill is for.  [default: what the material is about]"),
    click.option("--cases", type=click.IntRange(1, 200), default=10, show_default=True,
                 help="The number of cases; half are held out to measure improvements."),
    click.option("--name", metavar="NAME", help="The name of the skill.  [default: the teacher's]"),
    click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=Path("skills"), show_default=True,
                 help="The folder in which the skill's folder is created."),
    click.option("--part-tokens", metavar="N", type=click.IntRange(500), default=PART_TOKENS, show_default=True,
                 help="Split longer texts into parts of about this many tokens."),
    click.option("--plan", "only_plan", is_flag=True,
                 help="Stop after the plan; run the command again without --plan to continue."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values of the shared options."""

    task: str | None
    cases: int
    name: str | None
    into: Path
    part_tokens: int
    only_plan: bool
    language: str


def from_material(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options. The command gets them as the arguments ``wanted``, a Wanted, and ``options``, an AskOptions."""

    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        own = {name: given.pop(name) for name in Wanted.__dataclass_fields__}
        return command(wanted=Wanted(**own), **given)

    made: Callable[..., Any] = asks_a_teacher(wrapped)
    made = language_option()(made)
    for option in reversed(_OPTIONS):
        made = option(made)
    return made


def write_from(command: str, text: str, what: str, task: str, wanted: Wanted, options: AskOptions) -> None:
    """Write a skill from ``text``. ``what`` describes the text. ``task`` is used if the user gave none."""
    check_name(wanted.name)
    told = (wanted.task or "").strip() or task
    parts = in_parts(text, wanted.part_tokens)
    asking = Asking(options, command)
    tokens = tokens_of(text)
    whole = "in one piece" if len(parts) == 1 else f"in {plural(len(parts), 'part')}, each of which it takes notes on"
    asking.progress.line(f"{what}: about {tokens:,} tokens, which the teacher reads {whole}")
    if lost := text.count(UNREAD):
        asking.progress.line(f"{plural(lost, 'character')} could not be read as UTF-8; the teacher sees U+FFFD instead")
    order = Order(told, wanted.language, material=text if len(parts) == 1 else "", what=what)
    write(asking, order, wanted.cases, wanted.name or "", wanted.into, only_plan=wanted.only_plan,
          parts=parts if len(parts) > 1 else ())  # fmt: skip
