"""Measures how often a run meets each combination of lower and upper halves of a case's dims.

    python -m benchmarks.sizes [--runs 10] [--skills skills]

Every dim with several sizes is cut at the middle of its range. Exits with 1 if fewer than 80% of the runs meet a
combination, although the case has enough large examples (a third of all) for every combination.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import time
from collections import Counter
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.cases.sizes import candidates
from pytest_upskill.oracle import search
from pytest_upskill.oracle.draw import LARGEST, examples
from pytest_upskill.oracle.explore import EXAMPLES
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.reference_runner import by_trust
from pytest_upskill.oracle.required_examples import large_together
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.sandbox.confinement import strongest

GOAL = 0.8


def met(case: Case, outputs: OutputSize, seed: int) -> set[tuple[bool, ...]]:
    """The combinations that one run meets: for each dim, whether its size is in the upper half."""
    ranges = {dim.name: candidates(dim, {}, case.zero) for dim in case.dims if not dim.fixed}
    found: set[tuple[bool, ...]] = set()
    for dtype in case.dtypes:
        uppers = large_together(case, outputs, LARGEST, dtype, seed)
        for batch in search.plan(dtype, case.examples or EXAMPLES, "", uppers):
            strategy = examples(case, outputs, dtype, large=batch.large, upper=batch.upper)
            drawn: list[dict[str, int]] = []
            search.generate(batch, strategy, seed, lambda one, drawn=drawn: drawn.append(one.dims))  # type: ignore[misc]
            found |= {
                tuple(dims[name] > (sizes[0] + sizes[-1]) // 2 for name, sizes in ranges.items()) for dims in drawn
            }
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizes", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="runs per case, each with a seed of its own")
    parser.add_argument("--skills", type=Path, default=Path("skills"), help="folder of skills")
    parser.add_argument("--quick", action="store_true", help="one run of two cases, to try the benchmark out")
    options = parser.parse_args(arguments)
    paths = sorted(options.skills.glob("*/evals/*.md"))
    if options.quick:
        paths, options.runs = paths[:2], 1
    failed, runner_of = False, by_trust(strongest)
    for path in paths:
        case, began = load_case(path, path.parent.parent.name), time.perf_counter()
        with isolated(), contextlib.closing(runner_of(case)) as runner:
            outputs = runner.outputs
        counts = Counter(one for seed in range(options.runs) for one in met(case, outputs, seed))
        free = sum(not dim.fixed for dim in case.dims)
        rates = {one: counts[one] / options.runs for one in itertools.product((False, True), repeat=free)}
        rarest = min(rates, key=lambda one: rates[one])
        words = " ".join("upper" if one else "lower" for one in rarest)
        seconds = (time.perf_counter() - began) / options.runs
        print(
            f"{case.name:20} {len(rates):3} combinations, the rarest ({words}) in {rates[rarest]:.0%} of the runs; "
            f"{seconds:.2f} s to draw a run's examples"
        )
        suffice = len(case.dtypes) * ((case.examples or EXAMPLES) // 3) >= len(rates)
        failed |= suffice and rates[rarest] < GOAL and not options.quick
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
