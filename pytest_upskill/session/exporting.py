"""``--upskill-export``: writes the passing kernels of a finished run as projects, and says where they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_upskill.configuration.settings import check_folder
from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.export.items import CONTRACTS, Exported, export_run
from pytest_upskill.records import Outcome, RunInfo

OPTION = "--upskill-export"
_SHOWN = 8


def check(folder: Path) -> None:
    """Create the folder for projects. Raise UsageError if no files can be written to it. Called before anything
    runs.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{OPTION}: {folder} is a file; name a folder, in which each project gets one of its own")
    check_folder(folder, OPTION)


def export(outcomes: Iterable[Outcome], info: RunInfo, root: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Write the projects. Return lines for the user, and problems, which make the run fail.

    ``outcomes`` must be in the order of collection.
    """
    found = list(export_run(outcomes, info, root, folder))
    done = [one for one in found if isinstance(one, Exported)]
    problems = [f"export: {one}" for one in found if isinstance(one, str)]
    if not found:
        return [f"export: no kernel of the contract {' or '.join(CONTRACTS)} passed, so nothing was written"], []
    if not done:
        return [], problems
    names = ", ".join(one.folder.name for one in done[:_SHOWN])
    more = f" and {len(done) - _SHOWN} more" if len(done) > _SHOWN else ""
    count = f"{len(done)} project{'s' if len(done) > 1 else ''}"
    same = sum(not one.fresh for one in done)
    kept = f" ({same} unchanged)" if same else ""
    next_step = f"build one: pytest-upskill build {shown_path(done[0].folder)}"
    return [f"export: {count} in {shown_path(folder)}{kept}: {names}{more}", f"  {next_step}"], problems
