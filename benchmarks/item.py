"""Cost of an item: three dtypes of 25 examples each, with cached builds.

Run: python benchmarks/item.py [--quick] [CASE ...]. ``--quick`` measures one case once, to try the benchmark.

Seconds are the item's own, from the JSON report; the first round fills the cache and is not counted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

QUICK = "--quick" in sys.argv
ROUNDS = 0 if QUICK else 5
ROOT = Path(__file__).parents[1]
CASES = ("rms_norm", "softmax", "layer_norm", "matmul")[: 1 if QUICK else None]


def seconds_of(case: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", "-q", f"skills/cuda-kernels/evals/{case}.md", "--upskill"]
        command += ["-k", "golden", f"--upskill-report={report}"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        items = json.loads(report.read_text(encoding="utf-8"))["items"]
        item = next(item for item in items if item["id"].endswith("[golden]"))
    return float(sum(item["seconds"].values()))


if __name__ == "__main__":
    for case in [word for word in sys.argv[1:] if word != "--quick"] or CASES:
        rounds = [seconds_of(case) for _ in range(ROUNDS + 1)][not QUICK :]
        median = statistics.median(rounds)
        print(f"{case:16} {median:5.2f} s   {min(rounds):.2f} to {max(rounds):.2f} s (goal: under 3 s)")
