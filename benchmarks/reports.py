"""The end of a run of 5,000 items: summary, history and all reports. Run: python benchmarks/reports.py [--quick]

Half of the items failed, and replies have 4 KB. The run is the third of its suite, so that it is compared with the one
before. Files are written to memory, because what creating a file costs differs between disks by a factor of 40.
skill-creator's form has 21,500 files, so its time on the disk is shown, too, without being counted. ``--quick`` takes
few items, to try the benchmark.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pytest_upskill.configuration.values import REPORT_FORMS, REPORT_SUFFIXES
from pytest_upskill.history.selection import LAST, comparisons
from pytest_upskill.history.store import History, RunRow, StoredRun
from pytest_upskill.records import Example, Outcome, RunInfo, Window, WorstElement
from pytest_upskill.records.gating import Gate, GateKind, Gates
from pytest_upskill.reporting import SKILL_CREATOR, render
from pytest_upskill.reporting.files import write_report
from pytest_upskill.reporting.terminal import summary_lines
from pytest_upskill.reporting.view import View, build_view

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.unit import reporting_outcomes as reported
from tests.unit.reporting_outcomes import counterexample, outcome

QUICK = "--quick" in sys.argv
CASES, TRIALS = (5, 2) if QUICK else (500, 5)
ARMS = ("skill", "baseline")
LIMIT = 5.0
"""Seconds for everything together."""
WORDS = [
    "tile",
    "warp",
    "block",
    "shared",
    "reduce",
    "index",
    "stride",
    "launch",
    "grid",
    "row",
    "column",
    "half",
    "because",
    "each",
    "thread",
    "sum",
]
T = TypeVar("T")


def items(seed: int) -> Iterator[Outcome]:
    """The items of a run; a third of the verdicts differ between two seeds."""
    choose = random.Random(seed)
    for number in range(CASES):
        for arm in ARMS:
            for trial in range(1, TRIALS + 1):
                yield item(choose, f"case_{number:04d}", arm, trial)


def item(choose: random.Random, case: str, arm: str, trial: int) -> Outcome:
    failed = choose.random() < 0.5
    rows = tuple(tuple(f"{choose.random():.6f}" for _ in range(8)) for _ in range(8))
    window = Window((0, 0), rows, rows, tuple(tuple(choose.random() for _ in range(8)) for _ in range(8)))
    worst = WorstElement("out", (1, 1), "0.5", "1.5", "1.0", "0.001", window)
    found = counterexample(example=Example({"rows": 3, "cols": 33}, "float16", 7), worst=worst) if failed else None
    text = " ".join(choose.choice(WORDS) + str(choose.randrange(50)) for _ in range(520))
    made = outcome(
        case, arm=arm, trial=trial, failed={"correct[float16]": "1 of 99 is wrong"} if failed else None,
        counterexample=found, cost_usd=0.01, source_name="kernel.cu", reply=text, prompt_digest=f"{case} {arm}",
        prompt="" if trial > 1 else f"{' '.join(WORDS * 20)}\n\n{case} {arm}", reply_digest=text[:40],
        replay=f"pytest {case}",
    )  # fmt: skip
    return replace(made, source=text[:1500])


def info(session: str) -> RunInfo:
    gates = Gates((Gate(GateKind.MIN_PASS_RATE, 0.4), Gate(GateKind.MIN_LIFT, 0.0)), interval=True)
    return reported.run(session=session, gates=gates)


class Clock:
    """Prints and adds up what each part takes: processor time and wall time, in seconds."""

    def __init__(self) -> None:
        self.total = [0.0, 0.0]

    def part(self, name: str, action: Callable[[], T]) -> T:
        started = (time.process_time(), time.perf_counter())
        result = action()
        spent = (time.process_time() - started[0], time.perf_counter() - started[1])
        self.total = [one + more for one, more in zip(self.total, spent, strict=True)]
        self.line(name, *spent)
        return result

    @staticmethod
    def line(name: str, processor: float, wall: float) -> None:
        print(f"{name:34} {processor:6.2f} s {wall:6.2f} s", flush=True)


def main() -> None:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        view = measure(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SKILL_CREATOR
        Clock().part(f"report {SKILL_CREATOR} on the disk", lambda: write(SKILL_CREATOR, path, view, []))


def measure(folder: Path) -> View:
    history, clock = History(folder), Clock()
    for number in range(3):
        outcomes = list(items(number))
        run = info(f"session {number}")
        entered = history.begin(run)
        history.add(entered, outcomes)
    stored = StoredRun(RunRow(entered, "", run), tuple(outcomes))
    print(f"{len(outcomes)} items{'':22} processor     wall")
    found = clock.part("what changed since the last run", lambda: comparisons(history, stored, (LAST,)))
    view = clock.part("the view", lambda: build_view(outcomes, run, comparisons=found))
    clock.part("the summary", lambda: list(summary_lines(view, 80, color=False)))
    earlier = clock.part("loading earlier runs, for a page", lambda: views(history, entered))
    for form in (*REPORT_SUFFIXES, *REPORT_FORMS):
        path = folder / f"out{form}" if form.startswith(".") else folder / f"{form}{REPORT_FORMS[form]}"
        clock.part(f"report {form}", lambda form=form, path=path: write(form, path, view, earlier))  # type: ignore[misc]
    Clock.line("together", *clock.total)
    page = (folder / "out.html").stat().st_size / 1e6
    print(f"the page weighs {page:.1f} MB; processor time: {clock.total[0] / LIMIT:.2f} of the bound of {LIMIT:g} s")
    history.close()
    return view


def views(history: History, number: int) -> list[View]:
    return [build_view(list(one.items), replace(one.info, gates=Gates())) for one in history.earlier(number)]


def write(form: str, path: Path, view: View, earlier: list[View]) -> None:
    write_report(form, path, view, lambda: render(view, form, earlier))


if __name__ == "__main__":
    main()
