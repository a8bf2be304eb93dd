"""Time of ``upskill-gen new`` with a scripted teacher, beside the self-checks of its cases alone.

Run: python benchmarks/generate.py [--quick]. The teacher answers each question after some seconds, several at a time.
Both are measured in processes of their own, with caches that hold the device's runtime and nothing of the cases.
``--quick`` takes two cases, to try the benchmark.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path

QUICK = "--quick" in sys.argv
ROOT = Path(__file__).parents[1]
EVALS = ROOT / "skills" / "cuda-kernels" / "evals"
NAMES = sorted(path.stem for path in EVALS.glob("*.md"))[: 3 if QUICK else 13]
"""The first one warms the caches; the others are measured."""
LATENCY = 0.2 if QUICK else 5.0
"""Seconds until the teacher answers."""
SKILL = (
    "~~~~~~markdown SKILL.md\n---\nname: measured\ndescription: Kernels. Use them to measure.\n---\n"
    "Guard the last block.\n~~~~~~\n"
)


def answers(names: list[str]) -> dict[str, str]:
    plan = [{"name": name, "operator": f"what {name} computes", "difficulty": 3} for name in names]
    block = json.dumps({"skill": "measured", "cases": plan})
    cases = {f"case-{name}": (EVALS / f"{name}.md").read_text(encoding="utf-8") for name in names}
    return {"plan": f"```json\n{block}\n```", "skill": SKILL, **cases}


def warm() -> None:
    """Build the runtime, import what both need."""
    from pytest_upskill.case_quality.self_check import SelfCheck
    from pytest_upskill.cases.case_file import load_case
    from pytest_upskill.devices.choose import choose
    from pytest_upskill.execution.case_gate import subject_of

    case = load_case(EVALS / f"{NAMES[0]}.md", "cuda-kernels")
    SelfCheck(lambda language: choose("cpu"), 10.0).quality(subject_of(case))


def alone(names: list[str]) -> None:
    from pytest_upskill.case_quality.self_check import SelfCheck
    from pytest_upskill.cases.case_file import load_case
    from pytest_upskill.devices.choose import choose
    from pytest_upskill.execution.case_gate import subject_of

    machine = choose("cpu")
    checks = SelfCheck(lambda language: machine, 10.0)
    for name in names:
        found = checks.whole(subject_of(load_case(EVALS / f"{name}.md", "cuda-kernels")))
        assert found.quality.problem is None, found.quality.problem


def generated(names: list[str]) -> None:
    from pytest_upskill.devices.choose import choose
    from pytest_upskill.generator.conversations import Conversations
    from pytest_upskill.generator.proving import Prover
    from pytest_upskill.generator.questions import Order
    from pytest_upskill.generator.teacher import Step
    from pytest_upskill.generator.writing import Writing
    from pytest_upskill.records import Reply

    scripted = answers(names)

    class Teacher:
        name = model = "scripted"

        def ask(self, step: Step) -> Future[Reply]:
            future: Future[Reply] = Future()
            threading.Timer(LATENCY, lambda: future.set_result(Reply(scripted[step.name]))).start()
            return future

        def close(self) -> None:
            """Nothing is open."""

    def say(step: str, what: str) -> None:
        if "refused" in what:
            print(step, what, file=sys.stderr)

    with tempfile.TemporaryDirectory() as folder:
        talks = Conversations(Teacher(), 1, say)
        writing = Writing(talks, lambda skill: Prover(choose("cpu"), skill), Order("Measure."), say)
        plan = writing.plan(len(names))
        assert plan is not None, writing.result.left_out
        writing.new(plan, Path(folder))
        writing.close()
        assert len(writing.result.kept) == len(names), writing.result.left_out


def measured(what: str) -> float:
    """Seconds of one of the functions above, in a process with a cache of its own."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, what, *(["--quick"] if QUICK else [])]
        environment = {**os.environ, "UPSKILL_CACHE_DIR": cache, "UPSKILL_NVCC": "none"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return float(done.stdout)


def main() -> None:
    made, checked = measured("generated"), measured("alone")
    both = f"upskill-gen new {made:.1f} s, self-checks alone {checked:.1f} s"
    print(f"{len(NAMES) - 1} cases, {LATENCY:g} s an answer: {both}, {made / checked:.2f} times (goal: 2)")


if __name__ == "__main__":
    if sys.argv[1:2] in (["alone"], ["generated"]):
        warm()
        started = time.perf_counter()
        {"alone": alone, "generated": generated}[sys.argv[1]](NAMES[1:])
        print(time.perf_counter() - started)
    else:
        main()
