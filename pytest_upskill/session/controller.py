"""The hooks of the reporting process: header, status letters, summary, report files and exit status."""

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.records import Outcome
from pytest_upskill.reporting import render
from pytest_upskill.reporting.terminal import header_lines, summary_lines
from pytest_upskill.reporting.text_style import can_show
from pytest_upskill.reporting.view import RunInfo, View, build_view
from pytest_upskill.session import item_report, other_plugins
from pytest_upskill.session.run import Run
from pytest_upskill.skills import arms


class Controller:
    """Collects outcomes, prints the summary and writes reports."""

    def __init__(self, run: Run, config: pytest.Config) -> None:
        self.run = run
        self.config = config
        self.outcomes: dict[str, Outcome] = {}
        self.started = datetime.now(UTC)
        self._view: View | None = None
        self._written: list[Path] = []
        self._problems: list[str] = []
        self._estimate_shown = False

    def pytest_report_header(self) -> list[str]:
        return list(header_lines({**self.run.describe(), **dict(other_plugins.notes(self.config))}))

    def pytest_report_collectionfinish(self) -> list[str]:
        estimate = self.run.totals.estimate
        return list(header_lines({"worst case": estimate})) if estimate and not self._estimate_shown else []

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        """An xdist hook: the first worker has computed the worst case by then."""
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        for line in self.pytest_report_collectionfinish() if reporter is not None else ():
            self._estimate_shown = True
            reporter.ensure_newline()
            reporter.write_line(line)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """An xdist hook: workers use the controller's seed, device and servers."""
        node.workerinput["upskill"] = self.run.for_workers()

    def pytest_report_teststatus(self, report: pytest.TestReport) -> item_report.Status | None:
        return item_report.status_of(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        students, slugs = self.run.configs, [arms.slug(arm) for arm in self.run.settings.arms]
        outcome = item_report.outcome_of(report) or other_plugins.crashed_outcome(report, students, slugs)
        if outcome is None:
            return
        self.outcomes[outcome.id] = outcome
        if report.failed and report.when == "call" and isinstance(report.longrepr, str):
            report.longrepr = item_report.FailureRepr(outcome)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.outcomes:
            return
        self._view = self._build_view(interrupted=session.exitstatus == pytest.ExitCode.INTERRUPTED)
        for path in self.run.settings.reports:
            self._attempt(f"report {path}", partial(self._write, path, self._view))
        self._attempt("pytest_upskill_report", partial(self.config.hook.pytest_upskill_report, view=self._view))
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = self._exit_status()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._view is None:
            return
        writer = terminalreporter._tw
        unicode = can_show(getattr(writer._file, "encoding", None))
        for line in summary_lines(self._view, writer.fullwidth, writer.hasmarkup, unicode):
            terminalreporter.write_line(line)
        for path in self._written:
            terminalreporter.write_line(f"report: {path}")
        for problem in self._problems:
            terminalreporter.write_line(problem, red=True)

    def _exit_status(self) -> int:
        """The status of a run whose items all passed in pytest's terms."""
        if self._problems:
            return pytest.ExitCode.TESTS_FAILED
        if not self.run.settings.prompts and item_report.nothing_decided(self.outcomes.values()):
            return item_report.NOTHING_DECIDED
        return pytest.ExitCode.OK

    def _build_view(self, interrupted: bool) -> View:
        run, machine = self.run, self.run.machine if not self.run.settings.prompts else None
        host = {"python": platform.python_version(), "platform": platform.platform()}
        info = RunInfo(
            machine={**host, **(machine.facts() if machine else {})},
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
        path.write_text(render(view, path.suffix), encoding="utf-8")
        self._written.append(path)

    def _attempt(self, what: str, action: Callable[[], object]) -> None:
        """Runs an action at the end of a run. An exception loses no results: it is reported after the summary."""
        try:
            action()
        except Exception as error:
            self._problems.append(f"{what} failed: {type(error).__name__}: {error}")
