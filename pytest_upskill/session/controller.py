"""The hooks of the reporting process: header, status letters, summary, report files and exit status."""

import platform
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.errors import UpskillError
from pytest_upskill.history.comparison import Comparison
from pytest_upskill.history.git_state import GitState
from pytest_upskill.history.recorder import Recorder
from pytest_upskill.history.selection import LAST, comparisons
from pytest_upskill.history.store import AARun, RunRow, StoredRun
from pytest_upskill.records import Outcome, RunInfo, VerdictKind
from pytest_upskill.records.gating import Gates
from pytest_upskill.records.version import VERSION
from pytest_upskill.replies.budget import no_longer_match
from pytest_upskill.replies.stored_reply import Sampler
from pytest_upskill.reporting.terminal import header_lines, summary_lines
from pytest_upskill.reporting.text_style import TextStyle, can_show, printable
from pytest_upskill.reporting.view import View, build_view
from pytest_upskill.session import exporting, item_report, other_plugins
from pytest_upskill.session.progress import is_item_of_ours
from pytest_upskill.session.repeat_command import answers_steps
from pytest_upskill.session.report_files import ReportFiles
from pytest_upskill.session.run import Run
from pytest_upskill.skills import arms
from pytest_upskill.statistics import gates

GIT_SECONDS = 2.0
"""Seconds to wait for git's answer. git was started before the collection, so it has usually answered."""


class Controller:
    """Collects outcomes, prints the summary and writes reports."""

    def __init__(self, run: Run, config: pytest.Config) -> None:
        self.run = run
        self.config = config
        self.outcomes: dict[str, Outcome] = {}
        self.started = datetime.now(UTC)
        self._view: View | None = None
        self._git: GitState | None = None
        self._recorder = Recorder(run.settings.rootdir, self._info)
        self._files = ReportFiles(run.settings.rootdir)
        self._problems: list[str] = []
        self._exported: list[str] = []
        self._estimate_shown = False
        self._collected: list[str] = []
        """The ids of the items of skills."""

    def pytest_report_header(self) -> list[str]:
        return list(header_lines({**self.run.describe(), **dict(other_plugins.notes(self.config))}))

    def pytest_report_collectionfinish(self) -> list[str]:
        estimate = self.run.totals.estimate
        return list(header_lines({"worst case": estimate})) if estimate and not self._estimate_shown else []

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Show the worst-case cost, which is known as soon as the first worker has collected."""
        self._collected = [name for name in ids if is_item_of_ours(name)]
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        for line in self.pytest_report_collectionfinish() if reporter is not None else ():
            self._estimate_shown = True
            reporter.ensure_newline()
            reporter.write_line(line)

    def pytest_sessionstart(self) -> None:
        """Start git, which runs while skills are collected."""
        if self._is_recorded:
            self._git = GitState(self.run.settings.rootdir)

    @property
    def _is_recorded(self) -> bool:
        return not (self.run.settings.prompts or self.config.option.collectonly)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._collected = [item.nodeid for item in session.items if is_item_of_ours(item.nodeid)]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass the controller's seed, device and servers to an xdist worker."""
        node.workerinput["upskill"] = self.run.for_workers()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if (problem := getattr(report, "upskill_usage", None)) is not None:
            raise pytest.UsageError(problem)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> item_report.Status | None:
        return item_report.status_of(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        students, slugs = self.run.configs, [arms.slug(arm) for arm in self.run.settings.arms]
        outcome = item_report.outcome_of(report) or other_plugins.crashed_outcome(report, students, slugs)
        if outcome is None:
            return
        self.outcomes[outcome.id] = outcome
        if self._is_recorded:
            with other_plugins.time_limit_over():
                self._recorder.add(outcome)
        why = item_report.FailureRepr(outcome, self.outcomes)
        if report.failed and isinstance(report.longrepr, str):
            report.longrepr = why
        elif report.passed and outcome.verdict.kind is VerdictKind.FAILED:
            # A control arm failed. pytest shows this line with -rp, and the sections of passed items with -rP.
            report.longrepr = item_report.Reason(why.reprcrash)
            reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
            if reporter is not None:
                unicode = can_show(getattr(reporter._tw._file, "encoding", None))
                lines = why.lines(reporter._tw.fullwidth, unicode=unicode)
                report.sections.append((f"{outcome.arm} failed", "\n".join(lines)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.outcomes:
            return
        info = self._info(interrupted=session.exitstatus == pytest.ExitCode.INTERRUPTED)
        if self._is_recorded:
            self._recorder.finish(info)
        self._view = build_view(
            list(self.outcomes.values()), info, comparisons=self._comparisons(), aa_runs=self._aa_runs()
        )
        for target in self.run.settings.reports:
            self._files.write(target, self._view, self._earlier)
        self._files.add_step_summary(self._view)
        if (folder := self.run.settings.export) is not None:
            self._attempt(exporting.OPTION, partial(self._export, info, folder))
        if (hook := self.config.hook.pytest_upskill_report).get_hookimpls():
            self._begin_line()
            self._attempt("pytest_upskill_report", partial(hook, view=self._view))
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = self._exit_status()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._view is None:
            return
        writer = terminalreporter._tw
        unicode = can_show(getattr(writer._file, "encoding", None))
        verbosity = self.config.get_verbosity()
        for line in summary_lines(self._view, writer.fullwidth, writer.hasmarkup, unicode, verbosity):
            terminalreporter.write_line(line)
        for line in (*self._files.written, *self._exported):
            terminalreporter.write_line(line)
        if self._recorder.problem:
            terminalreporter.write_line(self._recorder.problem, yellow=True)
        for line in self._comparison(writer.fullwidth, writer.hasmarkup, unicode, verbosity):
            terminalreporter.write_line(line)
        for problem in (*self._files.problems, *self._problems):
            terminalreporter.write_line(problem, red=True)

    def _export(self, info: RunInfo, folder: Path) -> None:
        """Write the projects of passing kernels."""
        order = {name: number for number, name in enumerate(self._collected)}
        outcomes = sorted(self.outcomes.values(), key=lambda one: order.get(one.id, len(order)))
        self._exported, problems = exporting.export(outcomes, info, self.run.settings.rootdir, folder)
        self._problems += problems

    def _exit_status(self) -> int:
        """Return the exit status of a run whose items all passed in pytest's terms."""
        if self._files.problems or self._problems:
            return pytest.ExitCode.TESTS_FAILED
        if self._view and self._view.gates:
            return gates.exit_status(row.verdict for row in self._view.gates)
        if not self.run.settings.prompts and item_report.nothing_decided(self.outcomes.values()):
            return item_report.NOTHING_DECIDED
        return pytest.ExitCode.OK

    def _earlier(self) -> list[View]:
        """Return the recorded runs before this one, oldest first; none if they cannot be read."""
        history, number = self._recorder.history, self._recorder.number
        try:
            runs = history.earlier(number) if history is not None and number else []
        except UpskillError:
            return []
        return [build_view(one.items, one.info, Gates()) for one in runs]

    def _aa_runs(self) -> list[AARun]:
        """Return the last A/A runs; none if they cannot be read."""
        history, number = self._recorder.history, self._recorder.number
        try:
            return history.aa_runs(number) if history is not None and number else []
        except UpskillError:
            return []

    def _comparison(self, width: int, color: bool, unicode: bool, verbosity: int) -> list[str]:
        """Return the lines of ``--upskill-compare``."""
        if not (named := self.run.settings.compare):
            return []
        from pytest_upskill.reporting.comparison import comparison_lines

        if isinstance(found := self._compared(named)[named], str):
            return [printable(f"compare: {found}")]
        style = TextStyle(max(width, 60), color, unicode)
        title = style.paint(f"compared with run {found.before.number}", "bold")
        return ["", title, *comparison_lines(found, style, everything=verbosity > 0)]

    @property
    def _gates(self) -> Gates:
        settings = self.run.settings
        return Gates() if settings.self_check or settings.prompts else settings.gates

    def _comparisons(self) -> dict[str, Comparison | str]:
        """Return what changed since the last run, and since the runs that gates name."""
        if not self._is_recorded or self.run.settings.self_check:
            return {}
        return self._compared(LAST, *self._gates.runs)

    def _compared(self, *named: str) -> dict[str, Comparison | str]:
        """Return what changed since each of these earlier runs, or why this is unknown."""
        history, number = self._recorder.history, self._recorder.number
        if history is None or not number:
            return dict.fromkeys(named, "the history cannot be used")
        row = RunRow(number, "", self._info(interrupted=False))
        return comparisons(history, StoredRun(row, tuple(self.outcomes.values())), named)

    def pytest_unconfigure(self) -> None:
        if self.run.until_decided:
            self.run.until_decided.close()
        if self._git is not None:  # git may still run after a usage error
            self._git.wait(0)
        self._recorder.close()

    def _info(self, interrupted: bool = True) -> RunInfo:
        """Return what is known about the run. ``interrupted`` is true until the run ends, so that it is true for a
        killed run.
        """
        run, machine = self.run, self.run.machine if not self.run.settings.prompts else None
        host = {"python": platform.python_version(), "platform": platform.platform()}
        if self._git is not None:
            self._git.wait(GIT_SECONDS)
        return RunInfo(
            machine={**host, **(machine.facts() if machine else {})},
            device=machine.device if machine else "",
            seed=run.seed,
            started=self.started.isoformat(timespec="seconds"),
            seconds=round((datetime.now(UTC) - self.started).total_seconds(), 3),
            self_check=run.settings.self_check,
            sandbox=machine.confinement.describe() if machine else "",
            replies=run.kept_replies() if run.asks else None,
            source=run.source() if any(outcome.student for outcome in self.outcomes.values()) else "",
            spent=run.spending(),
            notes=tuple(self._notes()),
            answers=self._answers(),
            interrupted=interrupted,
            unreached=tuple(name for name in self._collected if name not in self.outcomes),
            session=run.session,
            command=shlex.join(map(str, self.config.invocation_params.args)),
            version=VERSION,
            students={name: Sampler.of(config).to_plain() for name, config in run.models.items()},
            revision=self._git.revision if self._git else "",
            dirty=self._git.dirty if self._git else None,
            gates=self._gates,
            noise=str(run.settings.noise),
        )

    def _answers(self) -> tuple[str, str] | None:
        if not self.run.settings.prompts:
            return None
        from_file = self.config.getoption("upskill_prompts") is None
        return answers_steps(self.run.settings, self.config.invocation_params.args, from_file)

    def _notes(self) -> Iterator[str]:
        if outdated := sum(outcome.outdated for outcome in self.outcomes.values()):
            kept = self.run.settings.replies == "kept"
            then = (
                "they were judged all the same" if kept else "--upskill-replies=kept judges such replies all the same"
            )
            yield f"{no_longer_match(outdated)}; {then}"

    def _begin_line(self) -> None:
        """End the line of status letters, so that the output of a plugin begins on a new line."""
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            if reporter._tw.width_of_current_line:  # with -q, pytest does not know that the line has not ended
                reporter._tw.line()
            reporter.flush()

    def _attempt(self, what: str, action: Callable[[], object]) -> None:
        """Run an action at the end of a run. An exception loses no results, because it is caught and reported after the
        summary.
        """
        try:
            action()
        except Exception as error:
            self._problems.append(f"{what} failed: {type(error).__name__}: {error}")
