"""What the commands that ask a teacher share: options, the estimate, progress, and the result on stdout."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from pytest_upskill.cases.provenance import read_provenance
from pytest_upskill.commands.generate.progress import Progress
from pytest_upskill.commands.generate.session import Session
from pytest_upskill.configuration.rootdir import rootdir_of
from pytest_upskill.configuration.settings import students_tables
from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.generator import prose
from pytest_upskill.generator.conversations import Conversations
from pytest_upskill.generator.estimate import Estimate, Steps, estimate
from pytest_upskill.generator.open_teacher import DEFAULT, Tables, teacher_config
from pytest_upskill.generator.questions import LAUNCHER, Order, teaching_of
from pytest_upskill.generator.teacher import Teacher
from pytest_upskill.generator.writing import Result, Writing
from pytest_upskill.replies.ledger import Limits
from pytest_upskill.reporting.text_style import plural, printable
from pytest_upskill.students.base import StudentConfig

COMPLETE, LEFT_OUT, UNFINISHED, INTERRUPTED = 0, 1, 3, 130
STATUSES = (
    "The exit status is 0 if everything was written, 1 if something was left out, 2 for a usage error, and 3 if "
    "answers are missing: run the same command again to continue."
)


class Real(click.FloatRange):
    """A number in a range. 'nan' is refused here, because click accepts it: every comparison with nan is false."""

    what, such_as = "a number", "0.2"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not {self.what}; write a number such as {self.such_as}", param, ctx)
        return number


class Usd(Real):
    """An amount of money."""

    what, such_as = "an amount of USD", "2.5"

    def __init__(self) -> None:
        super().__init__(0)


_OPTIONS = (
    click.option(
        "--teacher",
        metavar="NAME",
        default=DEFAULT,
        show_default=True,
        help="A student with a model, or files:DIR to write questions to DIR and read answers from it.",
    ),
    click.option(
        "--attempts", type=click.IntRange(1, 20), default=3, show_default=True, help="Maximum answers to one question."
    ),
    click.option("--budget", metavar="USD", type=Usd(), help="Maximum cost of this command."),
    click.option("--max-tokens", metavar="N", type=click.IntRange(0), help="Maximum tokens that this command may use."),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where kernels run."),
    click.option(
        "--dry-run", is_flag=True, help="Show the cost estimate, and the first question if it is known; query no model."
    ),
    click.option("--json", "as_json", is_flag=True, help="Write the result to stdout as JSON."),
)


def asks_a_teacher(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that ask a teacher. The command gets them as the argument ``options``, an
    AskOptions.
    """
    import functools

    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        own = {name: given.pop(name) for name in AskOptions.__dataclass_fields__}
        return command(options=AskOptions(**own), **given)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


@dataclass(frozen=True, slots=True)
class AskOptions:
    """The values of the shared options."""

    teacher: str
    attempts: int
    budget: float | None
    max_tokens: int | None
    device: str
    dry_run: bool
    as_json: bool

    @property
    def limits(self) -> Limits:
        return Limits(self.budget, self.max_tokens, "--")


def language_option(default: str | None = "en") -> Callable[..., Any]:
    """Return the option --language."""
    return click.option(
        "--language", metavar="CODE", default=default, show_default=default is not None, callback=_language,
        help="The language of the text (BCP 47): ja, zh, ko, ...",
    )  # fmt: skip


def contract_option(default: str | None = LAUNCHER) -> Callable[..., Any]:
    """Return the option --contract."""
    shown = default or "that of most cases"
    return click.option(
        "--contract", metavar="NAME", default=default, callback=_contract,
        help=f"What the cases ask for: launcher (CUDA), function (Python) or kernel-builder.  [default: {shown}]",
    )  # fmt: skip


def _contract(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        teaching_of(value)
    return value


def _language(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not prose.LANGUAGE.match(value):
        raise click.BadParameter(f"{value!r} is not a language code such as en, ja, zh or pt-BR")
    return value


class Asking:
    """One call of a command that asks a teacher, from the estimate to the result."""

    def __init__(self, options: AskOptions, command: str) -> None:
        self.options, self.command = options, command
        self.root = rootdir_of(Path.cwd(), Path.cwd())
        self.tables: Tables = students_tables(self.root / "pyproject.toml")
        self.session = Session(self.root, options.limits)
        self.chosen = teacher_config(options.teacher, self.tables, Path.cwd())
        self.progress = Progress()
        self.estimate: Estimate | None = None
        self.teacher: Teacher | None = None
        self.more: dict[str, Any] = {}
        """Further entries of the JSON result."""

    def tell_estimate(self, steps: Steps) -> None:
        """Show what the questions may cost. A dry run then prints the first question on stdout, and ends."""
        config = self.chosen if isinstance(self.chosen, StudentConfig) else StudentConfig("files", "files")
        if isinstance(self.chosen, StudentConfig):
            self.estimate = estimate(config, steps, self.options.attempts)
            self.progress.line(f"estimate for {config.name} ({config.model}): {self.estimate}")
        if not self.options.dry_run:
            return
        if self.options.as_json:
            _print_json({"dry_run": True, "estimate": self._estimate(), "prompt": steps.likely[0].prompt.text})
        else:
            click.echo(printable(steps.likely[0].prompt.text))
        raise click.exceptions.Exit(COMPLETE)

    @contextmanager
    def writing(self, order: Order, subject: str) -> Iterator[Writing]:
        """Yield an object that writes with the teacher, and close everything afterwards. An interrupt ends the command
        with a message.
        """
        self.teacher = self.session.open_teacher(self.chosen, subject, self.progress)
        talks = Conversations(self.teacher, self.options.attempts, self.progress.say)
        made = Writing(talks, self._make_prover, order, self.progress.say)
        interrupted = False
        try:
            if isinstance(self.chosen, StudentConfig):
                self._check_sandbox()  # before any question is paid for
            with self.progress:
                yield made
        except KeyboardInterrupt:
            interrupted = True
            self.progress.line("interrupted; proven cases are kept, and the same command continues")
        finally:
            made.close()
            self.teacher.close()
            self.session.close()
        if interrupted:
            if self.options.as_json:
                _print_json(self._plain(made.result, INTERRUPTED))
            raise click.exceptions.Exit(INTERRUPTED)

    def _check_sandbox(self) -> None:
        """Raise UsageError if cases cannot be proven on this machine."""
        from pytest_upskill.devices.choose import choose
        from pytest_upskill.oracle.reference_process import hides_enough

        if not hides_enough(found := choose(self.options.device).confinement):
            problem = "references of a teacher run in a sandbox without files and network, which is not available here"
            raise UsageError(f"{problem} ({found.describe()}); install bubblewrap, or use a newer kernel")

    def _make_prover(self, skill: str) -> Any:
        from pytest_upskill.devices.choose import choose
        from pytest_upskill.generator.proving import Prover

        return Prover(choose(self.options.device), skill)

    def finish(self, result: Result, advice: str = "") -> None:
        """Print the result, with ``advice`` if the result is complete, and end with the exit status of the result."""
        status = UNFINISHED if result.unfinished else LEFT_OUT if result.left_out else COMPLETE
        if self.options.as_json:
            _print_json(self._plain(result, status))
        else:
            for line in self._lines(result):
                click.echo(_encodable(printable(line)))
            if advice and status == COMPLETE:
                click.echo(advice)
        raise click.exceptions.Exit(status)

    def _estimate(self) -> dict[str, Any] | None:
        return None if self.estimate is None else asdict(self.estimate)

    def _plain(self, result: Result, status: int) -> dict[str, Any]:
        record = read_provenance(result.folder / "evals") if result.folder else None
        made = record.cases if record else {}
        return {
            "command": self.command,
            "teacher": self.options.teacher,
            "skill": shown_path(result.folder) if result.folder else None,
            "plan": [one.model_dump() for one in result.plan.cases] if result.plan else [],
            "were_there": result.there,
            "new": result.fresh,
            "cases": [
                {"name": name, **made[name].model_dump(include={"part", "difficulty", "attempts", "usd", "baseline"})}
                for name in result.kept
            ],
            "left_out": result.left_out,
            "unfinished": result.unfinished,
            "missing": [{"prompt": shown_path(one.prompt), "answer": shown_path(one.answer)} for one in result.missing],
            "estimate": self._estimate(),
            "spent": self.session.plain(),
            **self.more,
            "exit_status": status,
        }

    def _lines(self, result: Result) -> Iterator[str]:
        yield from _summary(result)
        for name, reason in result.left_out.items():
            yield f"left out, after {plural(self.options.attempts, 'attempt')}: {name}: {reason}"
        if result.left_out:
            stored = (
                "answers are stored, so that the same command gives the same result; a higher --attempts asks again"
            )
            in_files = "to go on, change an answer in its file, or ask again with a higher --attempts"
            yield in_files if isinstance(self.chosen, Path) else stored
        for one in result.missing:
            yield f"answer {shown_path(one.prompt)} in {shown_path(one.answer)}"
        for name, reason in result.unfinished.items():
            if not any(str(one) == reason for one in result.missing):
                yield f"unfinished: {name}: {reason}"
        if result.unfinished:
            yield "then run the same command again: it continues from here"
        if spent := self.session.spent():
            yield f"spent: {spent}"


def _summary(result: Result) -> Iterator[str]:
    """Yield lines about what the skill contains, after cases were asked for."""
    folder, there = result.folder, result.there
    if folder is None or there is None or not folder.exists():
        return
    before = f", {there} {'was' if there == 1 else 'were'} there" if there else ""
    yield f"{shown_path(folder)}: {plural(len(result.fresh), 'new case')}{before}"
    record = read_provenance(folder / "evals")
    for part in ("training", "held-out") if record else ():
        names = [name for name in record.names(part) if (folder / "evals" / f"{name}.md").is_file()]  # type: ignore[union-attr]
        if names or not result.unfinished:
            yield f"  {part}: {', '.join(names) or 'none'}"


def _print_json(plain: Mapping[str, Any]) -> None:
    text = json.dumps(plain, indent=2, ensure_ascii=False)
    click.echo(text if _encodable(text) == text else json.dumps(plain, indent=2))


def _encodable(text: str) -> str:
    """Return the text with '?' in place of characters that stdout cannot show."""
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)
