"""Processor time of ``pytest --upskill`` on one small case with warm caches, beside that of ``import torch``.

Run: python benchmarks/startup.py [--quick] [CASE]. ``--quick`` measures once, to try the benchmark.

Whole processes, alternating (A B A B ...); the ratio is the median of the pairs' ratios, so that a machine that is busy
for some time does not change it. The breakdown imports one after another in one process: what an earlier line imports
costs a later one nothing.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUICK = "--quick" in sys.argv
ROUNDS = 1 if QUICK else 9
CASE = next((word for word in sys.argv[1:] if not word.startswith("-")), "skills/cuda-kernels/evals/vector_add.md")
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--upskill"]
GOAL = 2.2
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Bytecode is cached, as for any user."""

BREAKDOWN = """
import resource, sys, time
def used():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time(), children.ru_utime + children.ru_stime
last, lines = used(), []
def stage(name):
    global last
    now = used()
    lines.append(f"{name}|{now[0] - last[0]:.3f}|{now[1] - last[1]:.3f}")
    last = now
import torch
stage("import torch")
import pytest, pytest_upskill.plugin
stage("import pytest and the plugin")
import hypothesis
stage("import Hypothesis")
import pytest_upskill.session.start, pytest_upskill.execution.pipeline, pytest_upskill.case_quality.quality
import pytest_upskill.oracle.explore, pytest_upskill.languages.cuda.language, pytest_upskill.contracts.launcher.contract
import pytest_upskill.case_quality.self_check, pytest_upskill.devices.choose, pytest_upskill.replies.ledger
stage("import our modules")
class Stages:
    def pytest_collection_finish(self):
        stage("start pytest, collect the case")
status = pytest.main(["-W", "ignore", *sys.argv[1:]], [Stages()])
stage("judge the solution, look up the self-check")
print(*lines, sep="\\n", file=sys.stderr)
sys.exit(status)
"""


def python(*arguments: str) -> str:
    """What a Python process writes to stderr."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stderr


def seconds(*arguments: str) -> float:
    """Processor seconds of one Python process and the processes that it waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    python(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    seconds(*PYTEST, CASE)  # fills the caches
    pairs = [(seconds("-c", "import torch"), seconds(*PYTEST, CASE)) for _ in range(ROUNDS)]
    ratios = sorted(run / torch for torch, run in pairs)
    print(f"import torch     {statistics.median(torch for torch, _ in pairs):5.2f} s")
    print(f"pytest --upskill {statistics.median(run for _, run in pairs):5.2f} s for {CASE}")
    ratio = statistics.median(ratios)
    print(f"ratio            {ratio:5.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f} (goal: at most {GOAL})")
    lines = python("-c", BREAKDOWN, *PYTEST[2:], CASE).splitlines()
    stages = [line.split("|") for line in lines if line.count("|") == 2]
    for name, own, children in stages:
        more = f" and {float(children):.2f} s of other processes" if float(children) >= 0.01 else ""
        print(f"  {name:44} {float(own):5.2f} s{more}")


if __name__ == "__main__":
    main()
