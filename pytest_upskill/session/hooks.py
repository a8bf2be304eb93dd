"""The hooks of a run that was asked for: ``ItemSide`` where items run, ``Controller`` where they are reported.

Under xdist every worker is an item side, and the controller alone reports; without it, one process is both.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_upskill.errors import InfrastructureError, UsageError
from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.session import adapters, progress
from pytest_upskill.session import options as settings_room
from pytest_upskill.session.collection import UpskillItem, UpskillWarning, collect_file
from pytest_upskill.session.run import Run, draw_seed

if TYPE_CHECKING:
    from pytest_upskill.reporting.view import View

LOOK_AHEAD = 3
"""So many later items have replies and builds on the way. Those that ``-x`` then leaves out were asked in vain."""
ASK_AHEAD = 8
"""So many times as many later replies as may be open at once are wanted, so that a slow one keeps no slot idle."""

NOTHING_DECIDED = 7
"""Exit status where skill items ran and none was decided."""

_SEED = "upskill_seed"
_DEVICE = "upskill_device"
_SESSION = "upskill_session"
_BROKER = "upskill_desk"
_WORD = {VerdictKind.INCONCLUSIVE: "?", VerdictKind.BUDGET_STOPPED: "$"}


def start(config: pytest.Config) -> None:
    """Reads the settings and registers this process's side. Raises pytest.UsageError on what cannot be meant so."""
    worker_input = getattr(config, "workerinput", None)
    try:
        adapters.register(config.hook)
        settings = settings_room.read(config)
        seed = worker_input[_SEED] if worker_input else settings.seed
        device = worker_input[_DEVICE] if worker_input else ""
        session = worker_input[_SESSION] if worker_input else ""
        broker = worker_input[_BROKER] if worker_input else ""
        tell = (lambda line: None) if worker_input else progress.Teller(config).tell
        run = Run(settings, draw_seed() if seed is None else seed, config.hook, device, session, broker, tell)
        if worker_input is None:
            for name in run.student_names:
                run.student(name)
            for path in settings.reports:
                settings_room.check_writable(path)
            if not settings.prompts:
                _ = run.machine
            if run.asks and not config.option.collectonly:
                run.ledger.tidy()
            config.pluginmanager.register(Controller(run, config), "upskill-controller")
            progress.start(run, config)
        config.pluginmanager.register(ItemSide(run, is_worker=worker_input is not None), "upskill-items")
    except (UsageError, InfrastructureError) as error:
        raise pytest.UsageError(str(error)) from None


class ItemSide:
    """Collects items and runs them."""

    def __init__(self, run: Run, is_worker: bool) -> None:
        self.run = run
        self.is_worker = is_worker
        self._items: list[UpskillItem] = []
        self._place: dict[str, int] = {}

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return collect_file(self.run, file_path, parent)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Drops items that two arguments named, and notes what comes after each."""
        unique = {item.nodeid: item for item in reversed(items) if isinstance(item, UpskillItem)}
        kept = [item for item in items if not isinstance(item, UpskillItem) or unique[item.nodeid] is item]
        items[:] = kept
        ours = [item for item in kept if isinstance(item, UpskillItem)]
        _warn_of_namesakes(ours)
        self._items = ours
        self._place = {item.nodeid: index for index, item in enumerate(ours)}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Works out the worst case before anybody is asked; of several workers, the first does it for all."""
        config = session.config
        if config.option.collectonly or (self.is_worker and os.environ.get("PYTEST_XDIST_WORKER") != "gw0"):
            return
        ours = [item for item in session.items if isinstance(item, UpskillItem) and item.problem is None]
        if ours and self.run.counts_costs:
            self.run.ledger.note_estimate(self.run.pipeline.estimate(item.task for item in ours))

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Kernels are built for the next items of this process; a worker only knows one, alone we look further.

        Replies are the run's: a worker asks for those of items that others will run, as all of them share the ledger.
        """
        if not isinstance(item, UpskillItem) or self.run.settings.prompts:
            return
        place = self._place.get(item.nodeid, len(self._items))
        following = self._items[place + 1 : place + 1 + self._depth(item.config)]
        near = [item, nextitem] if self.is_worker else [item, *following[:LOOK_AHEAD]]
        self.run.pipeline.prefetch(
            (other.task for other in near if isinstance(other, UpskillItem) and other.problem is None),
            (other.task for other in following if other.problem is None),
        )

    def _depth(self, config: pytest.Config) -> int:
        """How many later items have their replies on the way; with ``-x``, no more than the students' slots need."""
        width = sum(self.run.replies.width(name) for name in self.run.student_names if self.run.replies.asks(name))
        return max(LOOK_AHEAD, width if config.getvalue("maxfail") else ASK_AHEAD * width)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The outcome travels with the report that ends an item, as text, since xdist carries plain data alone."""
        report = yield
        if isinstance(item, UpskillItem) and item.outcome is not None:
            if call.when == "call" or (call.when == "setup" and report.failed):
                report.__dict__["upskill"] = json.dumps(item.outcome.to_plain())
            if call.when == "setup" and call.excinfo and isinstance(call.excinfo.value, InfrastructureError):
                from pytest_upskill.reporting.text_style import printable

                report.longrepr = printable(item.outcome.verdict.reason or "")
            if report.skipped and isinstance(report.longrepr, tuple):
                report.longrepr = (str(item.task.skill_path), 1, report.longrepr[2])  # not the line that skips
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        at_once = session.exitstatus == pytest.ExitCode.INTERRUPTED or session.shouldstop or session.shouldfail
        self.run.close(at_once=bool(at_once))

    def pytest_unconfigure(self) -> None:
        self.run.forget()


class Controller:
    """Gathers outcomes, prints the summary and writes reports."""

    def __init__(self, run: Run, config: pytest.Config) -> None:
        self.run = run
        self.config = config
        self.outcomes: dict[str, Outcome] = {}
        self.started = datetime.now(UTC)
        self._view: View | None = None
        self._written: list[Path] = []
        self._problems: list[str] = []
        self._estimate_told = False

    def pytest_report_header(self) -> list[str]:
        from pytest_upskill.reporting.terminal import header_lines

        return list(header_lines(self.run.describe()))

    def pytest_report_collectionfinish(self) -> list[str]:
        from pytest_upskill.reporting.terminal import header_lines

        estimate = self.run.totals.estimate
        return list(header_lines({"worst case": estimate})) if estimate and not self._estimate_told else []

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        """An xdist hook: the first worker has entered the worst case by then."""
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        for line in self.pytest_report_collectionfinish() if reporter is not None else ():
            self._estimate_told = True
            reporter.ensure_newline()
            reporter.write_line(line)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """An xdist hook: workers draw from the controller's seed, and judge on its device."""
        node.workerinput[_SEED] = self.run.seed
        node.workerinput[_SESSION] = self.run.session
        node.workerinput[_DEVICE] = "" if self.run.settings.prompts else self.run.machine.device
        node.workerinput[_BROKER] = self.run.open_broker()

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        outcome = _outcome_of(report)
        if outcome is None or report.failed:
            return None
        verdict = outcome.verdict.kind
        if report.skipped and verdict in _WORD:
            return "skipped", _WORD[verdict], (verdict.upper(), {"yellow": True})
        if _is_control(outcome):
            passed = verdict is VerdictKind.PASSED
            word = f"{str(outcome.arm).upper()} {'PASSED' if passed else 'FAILED'}"
            return "passed", "+" if passed else "-", (word, {"green" if passed else "cyan": True})
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = _outcome_of(report)
        if outcome is None:
            return
        self.outcomes[outcome.id] = outcome
        if report.failed and report.when == "call" and isinstance(report.longrepr, str):
            from pytest_upskill.session.failure_repr import FailureRepr

            report.longrepr = FailureRepr(outcome)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.outcomes:
            return
        self._view = self._build_view(interrupted=session.exitstatus == pytest.ExitCode.INTERRUPTED)
        for path in self.run.settings.reports:
            self._attempt(f"report {path}", partial(self._write, path, self._view))
        self._attempt("pytest_upskill_report", partial(self.config.hook.pytest_upskill_report, view=self._view))
        if self._problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if session.exitstatus == pytest.ExitCode.OK and not self.run.settings.prompts and self._nothing_decided():
            session.exitstatus = NOTHING_DECIDED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._view is None:
            return
        from pytest_upskill.reporting.terminal import summary_lines
        from pytest_upskill.reporting.text_style import can_show

        writer = terminalreporter._tw
        unicode = can_show(getattr(writer._file, "encoding", None))
        for line in summary_lines(self._view, writer.fullwidth, writer.hasmarkup, unicode):
            terminalreporter.write_line(line)
        for path in self._written:
            terminalreporter.write_line(f"report: {path}")
        for problem in self._problems:
            terminalreporter.write_line(problem, red=True)

    def _build_view(self, interrupted: bool) -> View:
        from pytest_upskill.reporting.view import RunInfo, build_view

        run, machine = self.run, self.run.machine if not self.run.settings.prompts else None
        info = RunInfo(
            machine={
                "python": platform.python_version(),
                "platform": platform.platform(),
                **(machine.facts() if machine else {}),
            },
            device=machine.device if machine else "",
            seed=run.seed,
            started=self.started.isoformat(timespec="seconds"),
            seconds=round((datetime.now(UTC) - self.started).total_seconds(), 3),
            self_check=run.settings.self_check,
            sandbox=machine.confinement.describe() if machine else "",
            replies=run.kept_replies(),
            source=run.source() if any(outcome.student for outcome in self.outcomes.values()) else "",
            spent=run.spending(),
            notes=("interrupted: the rest was not judged",) if interrupted else (),
        )
        return build_view(list(self.outcomes.values()), info)

    def _write(self, path: Path, view: View) -> None:
        from pytest_upskill.reporting import render

        path.write_text(render(view, path.suffix), encoding="utf-8")
        self._written.append(path)

    def _attempt(self, what: str, action: Callable[[], object]) -> None:
        """What goes wrong at the end of a run must not cost its results: it is told after the summary."""
        try:
            action()
        except Exception as error:
            self._problems.append(f"{what} failed: {type(error).__name__}: {error}")

    def _nothing_decided(self) -> bool:
        asked = [o for o in self.outcomes.values() if o.kind in (ItemKind.KERNEL, ItemKind.TEXT) and not _is_control(o)]
        decided = (VerdictKind.PASSED, VerdictKind.FAILED)
        return bool(asked) and not any(outcome.verdict.kind in decided for outcome in asked)


def _warn_of_namesakes(items: list[UpskillItem]) -> None:
    """Skills are told apart by their folder's name, in summaries and in the folders that keep replies."""
    first: dict[str, UpskillItem] = {}
    for item in items:
        other = first.setdefault(item.task.skill, item)
        if other.task.skill_path != item.task.skill_path:
            first[item.task.skill] = item
            item.warn(
                UpskillWarning(
                    f"two skills are called {item.task.skill!r} ({other.task.skill_path} and {item.task.skill_path}): "
                    "their rows and their kept replies are mixed; rename one folder, or run them one by one"
                )
            )


def _outcome_of(report: Any) -> Outcome | None:
    text = getattr(report, "upskill", None)
    return Outcome.from_plain(json.loads(text)) if text else None


def _is_control(outcome: Outcome) -> bool:
    from pytest_upskill.skills.arms import is_control

    return outcome.arm is not None and is_control(outcome.arm)
