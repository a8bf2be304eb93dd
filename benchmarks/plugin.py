"""Cost of the plugin: installed but unused, and collecting 1,000 cases. Run: python benchmarks/plugin.py

Whole processes without other plugins, alternating (A B A B ...); medians of processor time after a warm-up pair.
``--quick`` measures once, with few cases and without a self-check, to try the benchmark.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ("-p", "pytest_upskill.plugin")
QUICK = "--quick" in sys.argv
ROUNDS, COLLECTIONS = (1, 1) if QUICK else (15, 5)
CASES = 10 if QUICK else 1000
CASE = (ROOT / "skills/cuda-kernels/evals/rms_norm.md").read_text(encoding="utf-8")
SKILL = "---\nname: many\ndescription: A skill with many cases. Use for measuring.\n---\nBody.\n"


def environment() -> dict[str, str]:
    """The environment: no plugin except the named ones; bytecode is cached, as for any user."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(folder: Path, *arguments: str) -> float:
    """Processor seconds of one pytest."""
    before = processor_seconds()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment())
    if done.returncode not in (0, 5):
        raise SystemExit(done.stdout + done.stderr)
    return processor_seconds() - before


def compare(folder: Path, a: list[str], b: list[str], rounds: int) -> tuple[float, float]:
    """Median processor seconds of both, alternating."""
    pairs = [(timed(folder, *a), timed(folder, *b)) for _ in range(rounds + (not QUICK))][not QUICK :]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def unused() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_one.py").write_text("def test_one():\n    assert True\n")
        without, installed = compare(folder, [], [*OURS], ROUNDS)
    print(f"bare pytest              {without * 1e3:7.1f} ms")
    print(f"plugin installed, unused {installed * 1e3:7.1f} ms, {installed / without - 1:+.1%} (goal: under 10%)")


def many_cases() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        evals = folder / "skills" / "many" / "evals"
        evals.mkdir(parents=True)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (evals.parent / "SKILL.md").write_text(SKILL)
        for number in range(CASES):
            text = re.sub(r"\brms_norm\b", f"rms_norm_{number}", CASE)
            (evals / f"rms_norm_{number}.md").write_text(text)
        nothing, collecting = compare(
            folder,
            ["--collect-only", "skills"],
            [*OURS, "--collect-only", "--upskill-student=glm-4.7", "skills"],
            COLLECTIONS,
        )
    print(f"collecting {CASES} cases    {(collecting - nothing) * 1e3:7.1f} ms more than nothing (goal: under 1000 ms)")


def memory() -> None:
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest pytest process   {peak:7.0f} MB (goal: under 600 MB)")


def whole_suite() -> None:
    started = time.perf_counter()
    timed(ROOT, *OURS, "skills/cuda-kernels", "--upskill")
    print(f"self-check of a skill    {time.perf_counter() - started:7.1f} s")


if __name__ == "__main__":
    unused()
    many_cases()
    if not QUICK:
        whole_suite()
    memory()
