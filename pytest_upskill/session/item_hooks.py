"""The hooks of a process that collects and runs items: removing duplicates, looking ahead, outcomes on reports."""

import bisect
import shlex
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pytest_upskill.errors import InfrastructureError, shown_path
from pytest_upskill.execution.task import Task
from pytest_upskill.reporting.terminal import header_lines
from pytest_upskill.reporting.text_style import plural, printable
from pytest_upskill.session import item_report, usage
from pytest_upskill.session.collection import SkillFile, UpskillItem, UpskillWarning, collect_file
from pytest_upskill.session.item_report import refusal
from pytest_upskill.session.plain_imports import plain_imports
from pytest_upskill.session.run import Run

LOOK_AHEAD = 3
"""The number of later items whose replies and builds start early. With ``-x``, some of these items may never run."""
ASK_AHEAD = 8
"""Replies are requested ahead for this multiple of a student's slots, so that a slow reply leaves no slot idle."""


class ItemHooks:
    """The hooks for collecting and running items."""

    def __init__(self, run: Run, is_worker: bool) -> None:
        self.run = run
        self.is_worker = is_worker
        self._skills: list[SkillFile] = []
        self._items: list[UpskillItem] = []
        self._place: dict[str, int] = {}
        self._places: dict[str, list[int]] = {}
        """By student, the indices of its items, in order."""

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        found = collect_file(self.run, file_path, parent)
        self._skills += [found] if found is not None else []
        return found

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Drop items that were collected twice, through two arguments or links, and store the order of the others.

        Raises pytest.UsageError.
        """
        ours = _without_repetition([item for item in items if isinstance(item, UpskillItem)])
        if self.run.settings.self_check:
            ours = _checked_once(ours)
        kept = set(map(id, ours))
        items[:] = [item for item in items if not isinstance(item, UpskillItem) or id(item) in kept]
        narrowed = bool(config.option.keyword or config.option.markexpr) or any("::" in name for name in config.args)
        if (problem := usage.missing(self.run, self._skills, [item.task for item in ours], narrowed)) is not None:
            self._refuse(problem, session)
        if (problem := usage.ungated(self.run.settings, [item.task for item in ours])) is not None:
            self._refuse(problem, session)
        alike: dict[str, list[list[str]]] = {}
        for skill in self._skills:
            alike.setdefault(skill.skill, []).append(skill.names)
        for skill in self._skills:
            names = alike[skill.skill]
            skill.warn_of_gaps([name for some in names for name in some] if all(names) else ())
        if (problem := _tell_apart(ours)) and self.run.speaks:
            ours[0].warn(UpskillWarning(problem))
        settings = self.run.settings
        for item in ours:
            item.judge_by(settings.gates, settings.xfail or ())
        if self.run.until_decided:
            self.run.until_decided.plan(item.task for item in ours)
        self._items = ours
        self._place = {item.nodeid: index for index, item in enumerate(ours)}
        for index, item in enumerate(ours):
            self._places.setdefault(item.task.student or "", []).append(index)

    def _refuse(self, problem: str, session: pytest.Session) -> None:
        """Raise pytest.UsageError. An xdist worker instead sends a report to the controller, which raises the error."""
        if not self.is_worker:
            raise pytest.UsageError(problem)
        session.items.clear()
        session.config.hook.pytest_collectreport(report=refusal(problem))

    def pytest_report_collectionfinish(self, items: list[pytest.Item]) -> list[str]:
        """Say which cases are untrusted and run in a sandbox. Under xdist, only the summary says so."""
        found: dict[Path, set[str]] = {}
        for task in _tasks(items):
            if task.case is not None and not task.case.trusted:
                found.setdefault(task.case.path.parent.parent, set()).add(task.case.name)
        steps = (
            f"{plural(len(names), 'case')} in a sandbox; upskill-gen accept {shlex.quote(shown_path(folder))}"
            for folder, names in found.items()
        )
        return list(header_lines({"untrusted": "; ".join(steps)})) if found else []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Estimate the worst case before any student is queried. Of several workers, only the first does so."""
        config = session.config
        if config.option.collectonly or not self.run.speaks:
            return
        if (tasks := list(_tasks(session.items))) and self.run.counts_costs:
            self.run.ledger.note_estimate(self.run.pipeline.estimate(tasks))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Import what the items need before the first item, so that no time limit of another plugin interrupts the
        imports.
        """
        if not session.config.option.collectonly and not self.run.settings.prompts and self._items:
            with plain_imports(session.config):
                self.run.pipeline.load(_tasks(self._items))

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Let the item's own setup call ``_look_ahead``.

        Another plugin, such as a time limit, may raise an exception meanwhile, and pytest would not report it here.
        """
        if isinstance(item, UpskillItem) and not self.run.settings.prompts:
            item.look_ahead = partial(self._look_ahead, item, nextitem)

    def _look_ahead(self, item: UpskillItem, nextitem: pytest.Item | None) -> None:
        """Start builds and replies for the next items of this process, and request replies for later items.

        An xdist worker knows only its next item. It also requests replies for items of other workers, because all
        workers share the ledger.
        """
        place = self._place.get(item.nodeid, len(self._items))
        if self.run.until_decided:
            nextitem = None
        near = (
            [item, nextitem]
            if self.is_worker or self.run.until_decided
            else self._items[place : place + 1 + LOOK_AHEAD]
        )
        self.run.pipeline.prefetch(_tasks(near), _tasks(self._later(place, item.config)))

    def _later(self, place: int, config: pytest.Config) -> list[UpskillItem]:
        """Return the later items of each student whose replies are requested. A slow student does not delay the others.

        With ``-x`` or ``--upskill-until-decided``, there are no more of them than the student has slots.
        """
        replies, found = self.run.replies, list[int]()
        ahead = 1 if config.getvalue("maxfail") or self.run.until_decided else ASK_AHEAD
        for name in filter(replies.asks, self.run.configs):
            places = self._places.get(name, [])
            start = bisect.bisect_right(places, place)
            found += places[start : start + replies.width(name) * ahead]
        return [self._items[index] for index in sorted(found)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the outcome to the last report of an item."""
        report = yield
        if isinstance(item, UpskillItem) and item.outcome is not None:
            if call.when == "call" or (call.when == "setup" and report.failed):
                item_report.attach(report, item.outcome, sent=self.is_worker)
            if call.when == "setup" and call.excinfo and isinstance(call.excinfo.value, InfrastructureError):
                report.longrepr = printable(item.outcome.verdict.reason or "")
            if report.skipped and isinstance(report.longrepr, tuple):
                report.longrepr = (str(item.task.skill_path), 1, report.longrepr[2])  # not a line of our code
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        at_once = session.exitstatus == pytest.ExitCode.INTERRUPTED or session.shouldstop or session.shouldfail
        # The reply to an item that was stopped could only be needed by other workers.
        self.run.close(at_once=bool(at_once) or not self.is_worker)

    def pytest_unconfigure(self) -> None:
        self.run.forget()


def _tasks(items: Iterable[pytest.Item | None]) -> Iterator[Task]:
    """Yield the tasks of those items that are ours and can be run."""
    return (item.task for item in items if isinstance(item, UpskillItem) and item.problem is None)


def _without_repetition(items: list[UpskillItem]) -> list[UpskillItem]:
    """Return the items, each once. If several paths lead to a skill, the items of its real path are kept, not those of
    links.
    """
    real = {path: path.resolve() for path in {item.task.skill_path for item in items}}
    first: dict[tuple[Path, str], UpskillItem] = {}
    for item in items:
        path = item.task.skill_path
        other = first.setdefault((real[path], item.name), item)
        if path == real[path] != other.task.skill_path:
            first[real[path], item.name] = item
    chosen = set(map(id, first.values()))
    return [item for item in items if id(item) in chosen]


def _checked_once(items: list[UpskillItem]) -> list[UpskillItem]:
    """Return the items of a self-check so that each case is checked only once.

    A case that other skills take is checked with its own skill, or else with the first skill that takes it.
    """
    cases = {item.task.case.path: item.task.case for item in items if item.task.case}
    if all(case.taken_by is None for case in cases.values()):
        return items
    real = {path: path.resolve() for path in cases}
    first: dict[tuple[Path, str], UpskillItem] = {}
    for item in sorted(items, key=lambda item: bool(item.task.case and item.task.case.taken_by)):
        path = real[item.task.case.path] if item.task.case else item.task.skill_path
        first.setdefault((path, item.name), item)
    kept = set(map(id, first.values()))
    return [item for item in items if id(item) in kept or not item.task.case]


def _tell_apart(items: list[UpskillItem]) -> str:
    """In reports, name skills that have the same folder name by their paths. Return a sentence about this; empty if
    there are none.
    """
    folders: dict[str, dict[str, None]] = {}
    for item in items:
        folders.setdefault(item.task.skill, {})[item.task.place] = None
    shared = {name: found for name, found in folders.items() if len(found) > 1}
    for item in items:
        if item.task.skill in shared:
            item.task = replace(item.task, skill=item.task.place)
    if not shared:
        return ""
    name, found = next(iter(shared.items()))
    number = "two" if len(found) == 2 else str(len(found))
    more = f"; the same holds for {plural(len(shared) - 1, 'other name')}" if len(shared) > 1 else ""
    return f"{number} skills are called {name!r}; reports name them by their folders ({', '.join(found)}){more}"
