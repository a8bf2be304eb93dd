"""Each benchmark runs to its end and prints figures, with ``--quick``: what it measures is not looked at."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))
SHORT = ("plugin", "sizes")
"""The others build the device's runtime anew, start pytest several times, or judge for seconds."""

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")


@pytest.mark.parametrize(
    "script",
    [pytest.param(path, id=path.stem, marks=[pytest.mark.full] * (path.stem not in SHORT)) for path in SCRIPTS],
)
def test_a_benchmark_prints_figures(script: Path) -> None:
    command = [sys.executable, str(script), "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+(\.\d+)? *(ms|s|of the bound)\b", done.stdout), done.stdout


def test_make_bench_runs_each_of_them() -> None:
    done = subprocess.run(
        ["make", "bench", "--dry-run", "QUICK=--quick"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "for file in benchmarks/*.py" in done.stdout and "$file --quick" in done.stdout
