"""The hint of a run that does not ask for skills: one line that says that the named skills were not run."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from os.path import relpath
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.session.options import typed

_NAMES = ("SKILL.md", "skill.md")
_PATTERNS = ("*", "*/*", ".*/skills/*")
"""Patterns of folders of skills below a named folder. The last pattern is for the hidden folders of agents."""
_HOW = "add --upskill to check the cases, or --upskill-student=NAME to ask a student"


def tell_of_skills(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the hint. If options of ours had no effect, turn a success into a usage error."""
    session: Any = config.pluginmanager.get_plugin("session")
    unused = ", ".join(sorted(typed(config)))
    nothing_ran = session.exitstatus in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR)
    if not (unused or nothing_ran or config.args_source is config.ArgsSource.ARGS):
        return
    tested = set() if nothing_ran else {config.rootpath / name for name in _tested(reporter, session)}
    skills = [path for argument in config.args for path in _skills_at(config, argument, tested)]
    if unused and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    if skills or unused:
        first = relpath(skills[0], config.invocation_params.dir) if skills else ""
        some = (
            f"skills such as {first} were" if len(skills) > 1 else f"the skill {first} was" if first else "skills were"
        )
        alone = f" ({unused} alone has no effect)" if unused else ""
        reporter.write_line(f"upskill: {some} not run{alone}: {_HOW}", yellow=True)


def _tested(reporter: pytest.TerminalReporter, session: Any) -> set[str]:
    """Return the files of all tests that were collected, or, under xdist, of all tests that ran."""
    reports = (report for reports in reporter.stats.values() for report in reports)
    found = [*reports, *getattr(session, "items", ())]
    return {node.nodeid.partition("::")[0] for node in found if getattr(node, "nodeid", "")}


def _skills_at(config: pytest.Config, argument: str, tested: Collection[Path]) -> Iterator[Path]:
    """Yield up to two folders of skills that an argument names, unless the argument also contains tests."""
    path = config.invocation_params.dir / argument.partition("::")[0]
    if path.is_dir():
        folder = path
    elif path.name in _NAMES or path.parent.name == "evals":
        folder = path.parent.parent if path.parent.name == "evals" else path.parent
    else:
        return
    if not any(file.is_relative_to(path) for file in tested):
        below = (one for pattern in _PATTERNS for one in folder.glob(pattern))
        yield from islice((one for one in (folder, *below) if any((one / name).is_file() for name in _NAMES)), 2)
