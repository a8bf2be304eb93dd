"""The whole summary of a run with gates, known failures, an A/A run and an earlier run: every line at three widths."""

# ruff: noqa: RUF001, E501 - the texts hold the signs that people see
from __future__ import annotations

import pytest

from pytest_upskill.history.comparison import compare
from pytest_upskill.history.selection import LAST
from pytest_upskill.history.store import AARun, RunRow, StoredRun
from pytest_upskill.records import Outcome
from pytest_upskill.records.gating import Gate, GateKind, Gates
from pytest_upskill.reporting.terminal import summary_lines
from pytest_upskill.reporting.view import View, build_view
from tests.unit.reporting_outcomes import outcome, run, spec

STARTED = "2026-11-20T08:00:00+00:00"


def arm(results: str, name: str = "skill") -> list[Outcome]:
    """``"10"``: case0 passed, case1 failed."""
    return [outcome(f"case{at}", arm=name, failed=None if result == "1" else {"runs": f"exit {at}"}, cost_usd=0.01,
                    tags=("norm",)) for at, result in enumerate(results)]  # fmt: skip


def whole() -> View:
    items = [spec(), *arm("1111010"), *arm("0100000", "baseline")]
    items.append(outcome("case9", xfail="needs a grid-wide barrier", failed={"runs": "trap"}, cost_usd=0.01))
    before, after = (StoredRun(RunRow(number, "", run()), tuple(each)) for number, each in
                     ((4, arm("1011110")), (5, items)))  # fmt: skip
    gates = Gates((Gate(GateKind.MIN_PASS_RATE, 0.5), Gate(GateKind.MIN_LIFT, 0.6)), interval=True)
    same = AARun("cuda-kernels", "glm-4.7", 3, STARTED, {}, {"a": [True], "b": [True]}, {"a": [True], "b": [False]})
    return build_view(items, run(replies=".upskill/replies"), gates, {LAST: compare(before, after)}, [same])


def shown(width: int, unicode: bool, verbosity: int) -> str:
    return "\n" + "\n".join(summary_lines(whole(), width, False, unicode, verbosity)) + "\n"


QUIET = """
========================== skills ==========================
           baseline  with skill  lift, points     assertions
cuda-kernels  8 cases, SKILL.md is valid
  glm-4.7  1/7  14%    5/8  62%  ^ +57 [+5, +87]       8.6/9
    15k+7.5k tokens, $0.15, 26s
    lift: undecided (p = 0.12); about 3 more cases like
      these would decide it
    with skill, relative to the baseline: 1.00x [0.99, 1.01]
      tokens, 1.00x [0.99, 1.01] cost
    noise floor (A/A run 3 of 2026-11-20, 2 cases): flip
      rate 50% [9% to 91%]; lift +50 points [-38, +97]
    saturated: case1 (the baseline always passes: make the
      case harder, or drop it)
    never passes: case4, case6 (fails in every arm: check
      the case, or try a stronger student)
    first fails at runs x3
known failure: case9 glm-4.7 (needs a grid-wide barrier)
gate INCONCLUSIVE  min-pass-rate 50%, cuda-kernels glm-4.7:
  62.5% [31% to 86%]; about 73 more cases like these would
  decide it
gate INCONCLUSIVE  min-lift +60 points, cuda-kernels
  glm-4.7: +57 points [+5, +87]; about 1406 more cases like
  these would decide it
"""
NARROW = """
========================== skills ==========================
           baseline  with skill  lift, points     assertions
cuda-kernels  8 cases, SKILL.md is valid
  glm-4.7  1/7  14%    5/8  62%  ^ +57 [+5, +87]       8.6/9
    15k+7.5k tokens, $0.15, 26s
    lift: undecided (p = 0.12); about 3 more cases like
      these would decide it
    with skill, relative to the baseline: 1.00x [0.99, 1.01]
      tokens, 1.00x [0.99, 1.01] cost
    noise floor (A/A run 3 of 2026-11-20, 2 cases): flip
      rate 50% [9% to 91%]; lift +50 points [-38, +97]
    saturated: case1 (the baseline always passes: make the
      case harder, or drop it)
    never passes: case4, case6 (fails in every arm: check
      the case, or try a stronger student)
    first fails at runs x3

Lift is paired by case, with its 95% interval. Tokens are
in+out; they and the time are of all arms together.
Assertions are averages.
failures with the skill, by cause
  2x runs: exit 4: case4, case6
  1x runs: trap: case9
since run 4, regressed: case4 glm-4.7 skill; fixed: case1
  glm-4.7 skill
known failure: case9 glm-4.7 (needs a grid-wide barrier)
gate INCONCLUSIVE  min-pass-rate 50%, cuda-kernels glm-4.7:
  62.5% [31% to 86%]; about 73 more cases like these would
  decide it
gate INCONCLUSIVE  min-lift +60 points, cuda-kernels
  glm-4.7: +57 points [+5, +87]; about 1406 more cases like
  these would decide it
device   judged on the cpu device: the same programs,
         executed by this machine; not a proof of the
         tolerance on a GPU
seed     7; --upskill-seed=7 repeats this run's examples
         exactly
replies  kept in .upskill/replies
"""
USUAL = """
==================================== skills ====================================
           baseline  with skill  lift, points     assertions
cuda-kernels  8 cases, SKILL.md is valid
  glm-4.7  1/7  14%    5/8  62%  ▲ +57 [+5, +87]       8.6/9
    15k+7.5k tokens, $0.15, 26s
    lift: undecided (p = 0.12); about 3 more cases like these would decide it
    with skill, relative to the baseline: 1.00× [0.99, 1.01] tokens, 1.00×
      [0.99, 1.01] cost
    noise floor (A/A run 3 of 2026-11-20, 2 cases): flip rate 50% [9% to 91%];
      lift +50 points [−38, +97]
    saturated: case1 (the baseline always passes: make the case harder, or drop
      it)
    never passes: case4, case6 (fails in every arm: check the case, or try a
      stronger student)
    first fails at runs ×3

Lift is paired by case, with its 95% interval. Tokens are in+out; they and the
time are of all arms together. Assertions are averages.
failures with the skill, by cause
  2× runs: exit 4: case4, case6
  1× runs: trap: case9
since run 4, regressed: case4 glm-4.7 skill; fixed: case1 glm-4.7 skill
known failure: case9 glm-4.7 (needs a grid-wide barrier)
gate INCONCLUSIVE  min-pass-rate 50%, cuda-kernels glm-4.7: 62.5% [31% to 86%];
  about 73 more cases like these would decide it
gate INCONCLUSIVE  min-lift +60 points, cuda-kernels glm-4.7: +57 points [+5,
  +87]; about 1406 more cases like these would decide it
device   judged on the cpu device: the same programs, executed by this machine;
         not a proof of the tolerance on a GPU
seed     7; --upskill-seed=7 repeats this run's examples exactly
replies  kept in .upskill/replies
"""
WIDE = """
================================================================== skills ==================================================================
           baseline  with skill  lift, points     0%              100%   assertions    tokens   cost  time
cuda-kernels  8 cases, SKILL.md is valid
  glm-4.7  1/7  14%    5/8  62%  ▲ +57 [+5, +87]  ───○──━━━━━━●━━━━───  8.1 → 8.6/9  15k+7.5k  $0.15   26s
    lift: undecided (p = 0.12); about 3 more cases like these would decide it
    with skill, relative to the baseline: 1.00× [0.99, 1.01] tokens, 1.00× [0.99, 1.01] cost
    noise floor (A/A run 3 of 2026-11-20, 2 cases): flip rate 50% [9% to 91%]; lift +50 points [−38, +97]
    saturated: case1 (the baseline always passes: make the case harder, or drop it)
    never passes: case4, case6 (fails in every arm: check the case, or try a stronger student)
    first fails at runs ×3
    baseline, case0: runs: exit 0
    baseline, case2: runs: exit 2
    baseline, case3: runs: exit 3
    baseline, case4: runs: exit 4
    baseline, case5: runs: exit 5
    baseline, case6: runs: exit 6

Lift is paired by case, with its 95% interval. Tokens are in+out; they and the time are of all arms together. Assertions are averages.
failures with the skill, by cause
  2× runs: exit 4: case4, case6
  1× runs: trap: case9
since run 4, regressed: case4 glm-4.7 skill; fixed: case1 glm-4.7 skill
by tag
  norm: with skill 5/7 71%, baseline 1/7 14%
by dtype
  float16: with skill 8/8 100%, baseline 7/7 100%
  float32: with skill 8/8 100%, baseline 7/7 100%
known failure: case9 glm-4.7 (needs a grid-wide barrier)
gate INCONCLUSIVE  min-pass-rate 50%, cuda-kernels glm-4.7: 62.5% [31% to 86%]; about 73 more cases like these would decide it
gate INCONCLUSIVE  min-lift +60 points, cuda-kernels glm-4.7: +57 points [+5, +87]; about 1406 more cases like these would decide it
device   judged on the cpu device: the same programs, executed by this machine; not a proof of the tolerance on a GPU
seed     7; --upskill-seed=7 repeats this run's examples exactly
replies  kept in .upskill/replies
"""


@pytest.mark.parametrize(
    ("width", "unicode", "verbosity", "expected"),
    [(60, False, -1, QUIET), (60, False, 0, NARROW), (80, True, 0, USUAL), (140, True, 1, WIDE)],
    ids=["60 columns, ASCII, quiet", "60 columns, ASCII", "80 columns", "140 columns, verbose"],
)
def test_the_whole_summary(width: int, unicode: bool, verbosity: int, expected: str) -> None:
    assert shown(width, unicode, verbosity) == expected
