"""What the commands that import cases share: options, proving the cases, and the result on stdout."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pytest_upskill.commands.generate.progress import Progress
from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.importers.foreign import Foreign, NotImported
from pytest_upskill.importers.keeping import Keeping, Kept, names_of
from pytest_upskill.reporting.text_style import plural, printable
from pytest_upskill.sandbox.confinement import Confinement
from pytest_upskill.skills.skill import FILE_NAMES

DONE, NOTHING, INTERRUPTED = 0, 1, 130
STATUSES = (
    "The exit status is 0 if the skill now has cases from the source, even if some were not imported, 1 if it has "
    "none, and 2 for a usage error."
)
_OPTIONS = (
    click.option("--no-prove", is_flag=True,
                 help="Skip the self-check; to run it later, repeat the command without --no-prove."),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where cases are tried."),
    click.option("--replace", is_flag=True, help="Overwrite existing cases of the same name."),
    click.option("--json", "as_json", is_flag=True, help="Write the result to stdout as JSON."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The values of the shared options."""

    no_prove: bool
    device: str
    replace: bool
    as_json: bool


def imports(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that import cases. The command gets them as the argument ``options``, an
    ImportOptions.
    """

    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        own = {name: given.pop(name) for name in ImportOptions.__dataclass_fields__}
        return command(options=ImportOptions(**own), **given)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def into_option(
    default: str | None, text: str = "The skill that gets the cases; created if it does not exist."
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option --into."""
    return click.option(
        "--into", metavar="SKILL", type=click.Path(path_type=Path), default=default, show_default=default is not None,
        required=False, help=text,
    )  # fmt: skip


PATH = click.Path(path_type=Path)


def check_exists(path: Path) -> None:
    """Raise UsageError if there is nothing at ``path``."""
    if not path.exists():
        raise UsageError(f"there is no file or folder {shown_path(path)}: name one to import from")


def confinement(device: str) -> Confinement:
    """Return the confinement in which foreign code runs.

    Raises UsageError if the confinement of this machine hides too little from the code.
    """
    from pytest_upskill.devices.choose import choose
    from pytest_upskill.oracle.reference_process import hides_enough

    found = choose(device).confinement
    if not hides_enough(found):
        problem = "foreign code runs in a sandbox without files and network, which is not available here"
        raise UsageError(f"{problem} ({found.describe()}); install bubblewrap, or use a newer kernel")
    return found


def skill_for(path: Path, into: Path | None) -> Path:
    """Return the skill that gets the cases: ``into``, else the skill that is at ``path`` or contains it. Raises
    UsageError.
    """
    if into is not None:
        return into
    place = path.absolute()
    for folder in (place, *list(place.parents)[:2]):
        if any((folder / name).is_file() for name in FILE_NAMES):
            return folder
    raise UsageError(f"{shown_path(path)} is in no skill: say with --into SKILL which skill gets the cases")


@dataclass(slots=True)
class Import:
    """One call of a command that imports cases."""

    command: str
    options: ImportOptions
    description: str
    """The description of the skill, if a skill is made for the cases."""

    def run(self, folder: Path, found: Iterable[Foreign], text_of: Callable[[Foreign, str], str]) -> None:
        """Import each of ``found`` as a case, and end the command. ``text_of`` returns the text of the case, or raises
        NotImported.
        """
        progress, foreign = Progress(), list(found)
        names = names_of([one.wanted for one in foreign])
        folder = folder.absolute()
        with self._keeping(folder, names, progress) as keeping, progress:
            progress.expect(len(foreign))
            status = DONE
            try:
                for one, name in zip(foreign, names, strict=True):
                    try:
                        keeping.keep(one.label, name, text_of(one, name))
                    except NotImported as reason:
                        keeping.leave_out(one.label, str(reason))
                    except RecursionError:
                        keeping.leave_out(one.label, "it is nested too deeply to be read: simplify it")
            except KeyboardInterrupt:
                progress.line("interrupted; imported cases are kept, and the same command continues")
                status = INTERRUPTED
        if status == DONE and not keeping.result.count:
            status = NOTHING
        self._show(keeping.result, status)
        raise click.exceptions.Exit(status)

    @contextmanager
    def _keeping(self, folder: Path, names: Sequence[str], progress: Progress) -> Iterator[Keeping]:
        proves, replace = not self.options.no_prove, self.options.replace
        with Keeping(
            folder, self.command, self.description, self._prover, self._references, progress.say,
            names=names, proves=proves, replace=replace,
        ) as keeping:  # fmt: skip
            yield keeping

    def _prover(self, skill: str) -> Any:
        from pytest_upskill.devices.choose import choose
        from pytest_upskill.generator.proving import Prover

        return Prover(choose(self.options.device), skill)

    def _references(self) -> Any:
        from pytest_upskill.generator.proving import References

        return References(confinement(self.options.device))

    def _show(self, kept: Kept, status: int) -> None:
        if self.options.as_json:
            facts = {
                "command": self.command,
                "skill": shown_path(kept.folder),
                "new": kept.fresh,
                "replaced": kept.replaced,
                "were_there": kept.there,
                "same_as": kept.same_as,
                "not_imported": kept.left_out,
                "exit_status": status,
            }
            sys.stdout.write(json.dumps(facts, indent=2) + "\n")
            return
        for line in _lines(kept):
            click.echo(printable(line))


def _lines(kept: Kept) -> Iterator[str]:
    parts = [plural(len(kept.fresh), "new case")]
    if kept.replaced:
        parts.append(f"{len(kept.replaced)} replaced")
    if kept.there:
        parts.append(f"{len(kept.there)} {'was' if len(kept.there) == 1 else 'were'} there")
    yield f"{shown_path(kept.folder)}: {', '.join(parts)}"
    for name in (*kept.fresh, *kept.replaced):
        yield f"  {name}"
    for name, other in kept.same_as.items():
        yield f"note: {name} asks for the same as {other}"
    for label, reason in kept.left_out.items():
        yield f"not imported: {label}: {reason}"
