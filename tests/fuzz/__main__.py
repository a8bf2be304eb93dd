"""``python -m tests.fuzz SECONDS [TARGET...]``: fuzzes the targets in turn, with new inputs each time.

A defect ends the run with Hypothesis's smallest input and its traceback; the exit status is then 1.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections import Counter

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.targets import TARGETS, Target, guarded

_EXAMPLES = 100


def main(arguments: list[str]) -> int:
    """Cycle through the targets until the time (s) is over. Each one runs at least once."""
    until = time.monotonic() + float(arguments[0] if arguments else 60)
    chosen = [target for target in TARGETS if target.name in arguments[1:] or not arguments[1:]]
    if not chosen:
        print(f"no such target; there are {', '.join(target.name for target in TARGETS)}", file=sys.stderr)
        return 2
    tried: Counter[str] = Counter()
    while True:
        for target in chosen:
            _round(target, secrets.randbits(64), tried)
            if time.monotonic() > until and len(tried) == len(chosen):
                print("no defect:", ", ".join(f"{name} {count}" for name, count in tried.items()))
                return 0


def _round(target: Target, start: int, tried: Counter[str]) -> None:
    @seed(start)
    @settings(max_examples=_EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def run(drawn: object) -> None:
        tried[target.name] += 1
        with guarded():
            target.check(drawn)

    run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
