"""The summary, as whole texts: what people see at the end of a run."""

# ruff: noqa: RUF001 - the texts hold the signs that people see
from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from pytest_upskill.records import (
    Assertion,
    ItemKind,
    MutationScore,
    Outcome,
    SurvivingMutant,
    Tokens,
    Verdict,
    VerdictKind,
)
from pytest_upskill.reporting.terminal import header_lines, summary_lines
from pytest_upskill.reporting.text_style import measure
from pytest_upskill.reporting.view import build_view
from tests.unit.reporting_outcomes import golden, outcome, run, spec

CASES = ("add", "softmax", "rms_norm", "gelu", "matmul", "scan", "argmax", "rotary")


def summary(
    outcomes: list[Outcome], width: int = 80, color: bool = False, unicode: bool = True, verbosity: int = 0, **more: Any
) -> str:
    return "\n".join(summary_lines(build_view(outcomes, run(**more)), width, color, unicode, verbosity)) + "\n"


def self_check() -> list[Outcome]:
    return [spec(), *(golden(case) for case in CASES)]


def passing(student: str, arm: str, number: int, **more: Any) -> list[Outcome]:
    """Items of one arm, the first ``number`` of which pass; the others fail in turn at two assertions."""
    ways: tuple[dict[str, str], ...] = ({"compiles": "error", "runs": "not tried"}, {"correct[float16]": "off"})
    return [outcome(case, student, arm, failed=None if place < number else ways[place % 2], **more)
            for place, case in enumerate(CASES)]  # fmt: skip


def two_students() -> list[Outcome]:
    return [
        spec(),
        *passing("glm-4.7", "skill", 7, tokens=Tokens(13250, 3000)),
        *passing("glm-4.7", "baseline", 2, tokens=Tokens(812, 2500)),
        *passing("llama3-8b", "skill", 1, tokens=Tokens(13250, 1200)),
        *passing("llama3-8b", "baseline", 1, tokens=Tokens(812, 900)),
    ]


def troubled() -> list[Outcome]:
    server, unsure = VerdictKind.INFRASTRUCTURE_ERROR, VerdictKind.INCONCLUSIVE
    name = "a-student-with-a-very-long-name-4.5"
    return [
        spec(reason="name 'CUDA' has capital letters; a name holds lower-case letters, digits and hyphens"),
        *(outcome(case, name, kind=server, reason="down", cost_usd=0.01) for case in CASES[:2]),
        outcome(CASES[2], name, kind=unsure, reason="unsure", cost_usd=0.01),
        *(outcome(case, name, cost_usd=0.01, notes=("the case sets its own tolerance",)) for case in CASES[3:]),
        *passing(name, "baseline", 3, cost_usd=0.002),
        *passing(name, "placebo", 4, cost_usd=0.002),
    ]


SELF_CHECK = """\
==================================== skills ====================================
cuda-kernels  8 of 8 cases pass their own solution  SKILL.md is valid
  ✓ reply                8/8   ✓ correct[float16]     8/8
  ✓ contract             8/8   ✓ memory               8/8
  ✓ compiles             8/8   ✓ deterministic        8/8
  ✓ runs                 8/8   ✓ inputs               8/8
  ✓ correct[float32]     8/8

device   judged on the cpu device: the same programs, executed by this machine;
         not a proof of the tolerance on a GPU
seed     7; --upskill-seed=7 repeats this run's examples exactly
replies  kept in .upskill/replies
"""

TWO_STUDENTS = """\
==================================== skills ====================================
             baseline  with skill  lift, points       assertions    tokens  time
cuda-kernels  8 cases, SKILL.md is valid
  glm-4.7    2/8  25%    7/8  88%  ▲ +62 [+12, +89]  7.9 → 8.9/9  112k+44k   28s
    lift: undecided (p = 0.12); about 3 more cases like these would decide it
    with skill, relative to the baseline: 4.91× [4.87, 4.95] tokens
    saturated: add, softmax (the baseline always passes: make the case harder,
      or drop it)
    never passes: rotary (fails in every arm: check the case, or try a stronger
      student)
    first fails at correct[float16] ×1
  llama3-8b  1/8  12%    1/8  12%  ·   0 [−31, +31]  7.8 → 7.8/9  112k+17k   28s
    lift: undecided (p = 1)
    with skill, relative to the baseline: 8.44× [8.37, 8.51] tokens
    saturated: add (the baseline always passes: make the case harder, or drop
      it)
    never passes: argmax, gelu, matmul, rms_norm, rotary and 2 more (fails in
      every arm: check the case, or try a stronger student)
    first fails at correct[float16] ×4, compiles ×3

Lift is paired by case, with its 95% interval. p allows for 2 comparisons
(Holm). Tokens are in+out; they and the time are of all arms together.
Assertions are averages.
failures with the skill, by cause
  5× correct[float16]: off: gelu, rotary, scan, softmax
  3× compiles: error: argmax, matmul, rms_norm
device   judged on the cpu device: the same programs, executed by this machine;
         not a proof of the tolerance on a GPU
seed     7; --upskill-seed=7 repeats this run's examples exactly
replies  kept in .upskill/replies
"""

TWO_STUDENTS_WIDE = """\
======================================================== skills ========================================================
             baseline  with skill  lift, points      0%              100%   assertions    tokens  time
cuda-kernels  8 cases, SKILL.md is valid
  glm-4.7    2/8  25%    7/8  88%  ▲ +62 [+12, +89]  ─────○────━━━━━━━●━━  7.9 → 8.9/9  112k+44k   28s
    lift: undecided (p = 0.12); about 3 more cases like these would decide it
    with skill, relative to the baseline: 4.91× [4.87, 4.95] tokens
    saturated: add, softmax (the baseline always passes: make the case harder, or drop it)
    never passes: rotary (fails in every arm: check the case, or try a stronger student)
    first fails at correct[float16] ×1
  llama3-8b  1/8  12%    1/8  12%  ·   0 [−31, +31]  ━━●━━━━━━━──────────  7.8 → 7.8/9  112k+17k   28s
    lift: undecided (p = 1)
    with skill, relative to the baseline: 8.44× [8.37, 8.51] tokens
    saturated: add (the baseline always passes: make the case harder, or drop it)
    never passes: argmax, gelu, matmul, rms_norm, rotary and 2 more (fails in every arm: check the case, or try a
      stronger student)
    first fails at correct[float16] ×4, compiles ×3

Lift is paired by case, with its 95% interval. p allows for 2 comparisons (Holm). Tokens are in+out; they and the time
are of all arms together. Assertions are averages.
failures with the skill, by cause
  5× correct[float16]: off: gelu, rotary, scan, softmax
  3× compiles: error: argmax, matmul, rms_norm
device   judged on the cpu device: the same programs, executed by this machine; not a proof of the tolerance on a GPU
seed     7; --upskill-seed=7 repeats this run's examples exactly
replies  kept in .upskill/replies
"""

TROUBLED = """\
==================================== skills ====================================
             baseline  with skill  lift, points        assertions
cuda-kernels  8 cases
  ✗ SKILL.md: name 'CUDA' has capital letters; a name holds lower-case letters,
    digits and hyphens
  a-student-with-a-very-long-name-4.5
             3/8  38%    5/5 100%  ▲ +100 [+20, +100]       9.0/9
    placebo  4/8  50%              ▲ +80 [+7, +99]          8.2/9
    24k+12k tokens, $0.11, 42s
    lift: cannot be decided with 5 cases; 7 or more can
    with skill, relative to the baseline: 1.00× [0.99, 1.01] tokens, 5.00×
      [4.94, 5.06] cost, +12500 points per extra US dollar per trial
    lift over placebo: cannot be decided with 5 cases; 7 or more can
    saturated: add, rms_norm, softmax (the baseline always passes: make the case
      harder, or drop it)
    with skill: 1 inconclusive, 2 infrastructure errors (not counted)

Lift is paired by case, with its 95% interval. p allows for 2 comparisons
(Holm). Tokens are in+out; they and the time are of all arms together.
Assertions are averages.
note     the case sets its own tolerance: argmax, gelu, matmul, rotary, scan
device   judged on the cpu device: the same programs, executed by this machine;
         not a proof of the tolerance on a GPU
seed     7; --upskill-seed=7 repeats this run's examples exactly
"""


def test_the_self_check_shows_each_assertion() -> None:
    assert summary(self_check(), self_check=True, replies=".upskill/replies") == SELF_CHECK


def test_two_students_are_rows_with_their_lift() -> None:
    assert summary(two_students(), replies=".upskill/replies") == TWO_STUDENTS


def test_a_wide_terminal_draws_the_lift() -> None:
    assert summary(two_students(), width=120, replies=".upskill/replies") == TWO_STUDENTS_WIDE


def test_errors_and_inconclusive_items_are_named_and_not_counted() -> None:
    assert summary(troubled()) == TROUBLED


def test_a_case_that_fails_its_own_solution_is_named() -> None:
    lost = golden("adamw", failed={"memory": "out of bounds"})
    unsure = golden("conv", kind=VerdictKind.INCONCLUSIVE, reason="too many examples were redrawn")
    text = summary([*self_check(), lost, unsure], self_check=True)
    assert "cuda-kernels  8 of 10 cases pass their own solution" in text
    assert re.search(r"✗ memory +8/9\b", text)
    assert "✗ adamw failed: memory\n" in text
    assert "✗ conv inconclusive: too many examples were redrawn\n" in text


def test_one_case_alone_is_singular() -> None:
    assert "1 of 1 case passes its own solution" in summary([golden("add")], self_check=True)


def test_the_interval_of_a_rate_stands_in_where_nothing_is_compared() -> None:
    text = summary(passing("glm-4.7", "skill", 7))
    assert "95% interval" in text
    assert "7/8  88%  53% to 98%" in text
    assert "lift" not in text.lower()


def test_arms_without_the_skill_have_no_lift() -> None:
    text = summary(passing("glm-4.7", "baseline", 7))
    assert "7/8  88%" in text
    assert "with skill" not in text


def test_one_pair_shows_its_lift_without_an_interval() -> None:
    text = summary([outcome(), outcome(arm="baseline", failed={"reply": "none"})])
    assert re.search(r"▲ \+100 +8\.0", text), text


def test_a_loss_points_down() -> None:
    text = summary([*passing("glm-4.7", "skill", 0), *passing("glm-4.7", "baseline", 8)])
    assert "▼ \u2212100 [\u2212100, \u221241]" in text


@pytest.mark.parametrize("outcomes", [self_check(), two_students(), troubled()], ids=["self", "two", "troubled"])
@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_wider_than_the_terminal(outcomes: list[Outcome], width: int, unicode: bool) -> None:
    for check in (True, False):
        text = summary(outcomes, width=width, unicode=unicode, self_check=check)
        assert max(measure(line) for line in text.splitlines()) == width
        assert unicode or text.isascii()


@pytest.mark.parametrize("check", [True, False])
def test_colour_changes_no_letter(check: bool) -> None:
    plain, coloured = (summary(two_students(), color=color, self_check=check) for color in (False, True))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_colour_says_which_lift_is_certain() -> None:
    unsure = summary(two_students(), color=True).splitlines()
    assert not any("\x1b[32" in line for line in unsure), "five gains in eight cases prove nothing"
    better = summary([*passing("glm-4.7", "skill", 7), *passing("glm-4.7", "baseline", 0)], color=True)
    assert "\x1b[32;1m▲ +88" in better
    worse = summary([*passing("glm-4.7", "skill", 0), *passing("glm-4.7", "baseline", 7)], color=True)
    assert "\x1b[31;1m▼ \u221288" in worse


def test_a_lift_says_what_it_proves_and_what_would_decide_it() -> None:
    better = summary([*passing("glm-4.7", "skill", 7), *passing("glm-4.7", "baseline", 0)])
    assert "    lift: better (p = 0.016)\n" in better
    one = summary([outcome(), outcome(arm="baseline", failed={"reply": "none"})])
    assert "    lift: cannot be decided with 1 case; 6 or more can\n" in one
    assert "+100 [" not in one
    assert "about 3 more cases like these would decide it" in summary(two_students())


def test_repeated_trials_show_how_often_they_differ() -> None:
    trials = [outcome(case, trial=trial, failed={"memory": "m"} if case == "add" and trial > 1 else None)
              for case in CASES for trial in (1, 2, 3)]  # fmt: skip
    text = summary(trials)
    assert "repeated trials: with skill pass@3 100%, pass^3 88%, two trials differ 8%\n" in text
    assert "flaky: add (trials of one arm differ: add trials" in text
    assert "repeated trials" not in summary(two_students())


def test_spending_is_compared_with_the_baseline() -> None:
    dear = [outcome(case, cost_usd=0.25, tokens=Tokens(3000, 1000)) for case in CASES]
    cheap = [outcome(case, arm="baseline", cost_usd=0.05, failed={"reply": "none"}) for case in CASES]
    text = " ".join(summary([*dear, *cheap]).split())
    assert "with skill, relative to the baseline: 2.67\u00d7 [2.64, 2.69] tokens, 5.00\u00d7 [4.96, 5.04] cost" in text
    assert "+500 points per extra US dollar per trial" in text


def test_another_device_needs_no_caveat() -> None:
    text = summary(self_check(), device="cuda", self_check=True)
    assert "device   judged on the cuda device\n" in text
    assert "not a proof" not in text


def test_a_run_that_wrote_prompts_says_that_nothing_was_judged() -> None:
    text = summary([outcome(kind=VerdictKind.INCONCLUSIVE, reason="written")], device="")
    assert text.endswith("1 prompt written; no student was queried\n")


def test_notes_name_their_cases_and_are_few() -> None:
    many = [outcome(case, notes=("cut off", f"note of {case}")) for case in CASES]
    text = summary(many)
    assert "note     cut off: add, argmax, gelu, matmul, rms_norm and 3 more\n" in text
    assert "note     and 3 other notes, in the reports\n" in text


def test_a_name_cannot_steer_the_terminal() -> None:
    text = summary([outcome(student="x\x1b[31m\x07y", notes=("a\x1b]0;title\x07b",))])
    assert "\x1b" not in text and "\x07" not in text
    assert " x?y " in text


def test_an_empty_run_still_says_its_seed() -> None:
    assert "seed     7" in summary([])


def test_header_says_one_fact_on_a_line() -> None:
    assert list(header_lines({"device": "cpu", "seed": "7"})) == ["upskill device: cpu", "upskill seed: 7"]


def mutants(
    case: str, killed: int = 12, survived: tuple[SurvivingMutant, ...] = (), reason: str | None = None
) -> Outcome:
    """The item that holds a case against wrong results; ``reason`` is that of a refused case."""
    name, message = (reason or "varies: ").split(": ", 1)
    verdict = Verdict(
        VerdictKind.FAILED if reason else VerdictKind.PASSED, reason, (Assertion(name, reason is None, message),)
    )
    score = None if reason else MutationScore(killed, killed + len(survived), 1, survived)
    return Outcome(f"skills/cuda-kernels/SKILL.md::{case}[mutants]", ItemKind.MUTANTS, "cuda-kernels", case, verdict,
                   score=score)  # fmt: skip


ADVISED = SurvivingMutant(41, "c < cols -> c <= cols", False, "with larger dims, such as 'cols: 1..4096'")
UNSEEN = SurvivingMutant(52, "dropped __syncthreads();", True)

ONE_CASE = """\
cuda-kernels  1 of 1 case passes its own solution  SKILL.md is valid
  ✓ reply                1/1   ✓ correct[float16]     1/1
  ✓ contract             1/1   ✓ memory               1/1
  ✓ compiles             1/1   ✓ deterministic        1/1
  ✓ runs                 1/1   ✓ inputs               1/1
  ✓ correct[float32]     1/1

  1 of 1 case rejects wrong results
  10 of 12 mutants of its solution killed
  survived: add.md:41  c < cols -> c <= cols
    would be killed with larger dims, such as 'cols: 1..4096'
  survived: add.md:52  dropped __syncthreads();
    equivalent or not detected: every result has the same bits
"""

THREE_CASES = """
  2 of 3 cases reject wrong results
  22 of 28 mutants of the solutions killed, by case:
  add               10/15   gelu              12/13
  survived: add.md:41  c < cols -> c <= cols
    would be killed with larger dims, such as 'cols: 1..4096'
  5 more survived, equivalent or not detected: every result has the same bits;
  --upskill-report lists them
  ✗ softmax fails its self-check: rejects[zeros]
"""


def test_the_mutants_that_survived_are_shown_for_one_case() -> None:
    assert ONE_CASE in summary([spec(), golden("add"), mutants("add", 10, (UNSEEN, ADVISED))], self_check=True)


def test_the_mutants_of_several_cases_are_counted_and_a_refused_case_is_named() -> None:
    refused = mutants("softmax", reason="rejects[zeros]: a kernel that writes zeros passes")
    items = [*map(golden, ("add", "gelu", "softmax")), mutants("add", 10, (UNSEEN,) * 4 + (ADVISED,)),
             mutants("gelu", 12, (UNSEEN,)), refused]  # fmt: skip
    assert THREE_CASES in summary(items, self_check=True)


def test_a_self_check_of_many_cases_fits_a_screen() -> None:
    names = [f"a_case_{number}" for number in range(21)]
    items = [spec(), *map(golden, names), *(mutants(name, 10, (UNSEEN, ADVISED)) for name in names)]
    shown = summary(items, self_check=True).splitlines()
    assert len(shown) <= 36
    assert all(measure(line) <= 80 for line in shown)


def test_a_solution_that_fails_is_told_once() -> None:
    wrong = golden("add", failed={"correct[float32]": "off"})
    refused = mutants("add", reason="solution: its own solution fails correct[float32]")
    shown = summary([wrong, refused], self_check=True)
    assert "✗ add failed: correct[float32]" in shown and "worth asking" not in shown


def test_an_outcome_with_a_score_crosses_to_another_process_and_back() -> None:
    outcome_ = mutants("add", 10, (UNSEEN, ADVISED))
    assert Outcome.from_plain(json.loads(json.dumps(outcome_.to_plain()))) == outcome_


def test_a_refused_case_is_explained_once() -> None:
    reason = "evals/softmax.md: not asked, because the case fails its self-check: a kernel that writes zeros passes"
    refused = [
        outcome("softmax", arm=arm, kind=VerdictKind.INCONCLUSIVE, reason=reason, tokens=Tokens())
        for arm in ("skill", "baseline")
    ]
    judged = outcome("rms_norm", kind=VerdictKind.INCONCLUSIVE, reason="unsure", source="void f() {}")
    shown = " ".join(summary([*refused, judged]).split())
    assert shown.count(f"case softmax: {reason}") == 1
    assert "case rms_norm" not in shown


# --------------------------------------------------------------------- what applies, what is counted, what is whole


def facts(text: str) -> list[str]:
    """The labels of the lines below the table."""
    return [label for line in text.splitlines() if (label := line[:9].strip()) in
            ("note", "device", "sandbox", "seed", "replies", "spent")]  # fmt: skip


def of_text(case: str, arm: str, passed: bool) -> Outcome:
    assertion = Assertion("contains[shared memory]", passed, "" if passed else "the answer does not contain it")
    kind = VerdictKind.PASSED if passed else VerdictKind.FAILED
    return Outcome(f"a/SKILL.md::{case}[files-{arm}]", ItemKind.TEXT, "cuda-kernels", case,
                   Verdict(kind, None, (assertion,)), student="files", arm=arm, trial=1)  # fmt: skip


def test_a_run_of_texts_names_no_device_no_sandbox_no_seed_and_no_tokens() -> None:
    items = [of_text("words", "skill", True), of_text("words", "baseline", False)]
    text = summary(items, sandbox="bubblewrap")
    assert facts(text) == []
    assert "Tokens" not in text and "The time is of all arms together." in " ".join(text.split())
    assert facts(summary([*items, outcome()], sandbox="bubblewrap")) == ["device", "sandbox", "seed"]


def test_texts_have_no_assertions_of_the_self_check() -> None:
    text = summary([spec(), golden("add"), of_text("words", "skill", True)], self_check=True)
    assert "contains" not in text and "2 of 2 cases pass their own solution" in text and "reply" in text


def test_where_replies_came_from_is_said_without_a_folder() -> None:
    assert "replies  no student was queried" in summary([outcome()], source="no student was queried")
    assert "replies" not in summary([outcome()])


def test_a_quiet_summary_has_the_table_and_what_is_missing() -> None:
    items = [*two_students(), outcome("gelu", "x", notes=("the reply was cut off",))]
    text = summary(items, sandbox="bubblewrap", replies="a", spent="$1", notes=("1 kept reply no longer matches",),
                   unreached=("a/SKILL.md::b[x-skill]",), verbosity=-1)  # fmt: skip
    assert "glm-4.7    2/8  25%    7/8  88%" in text and "first fails at" in text
    assert facts(text) == ["note", "note"]
    assert "1 of 34 replies was not judged" in text and "1 kept reply no longer matches" in text
    assert "Lift is paired" not in text and "cut off" not in text


def test_a_verbose_summary_lists_why_controls_failed() -> None:
    items = [outcome("add", arm=arm, trial=trial, failed={"memory": "kernel.cu:3: reads x[33]"})
             for arm in ("skill", "baseline", "placebo") for trial in (1, 2)]  # fmt: skip
    text = summary(items, verbosity=1)
    assert "    baseline, add: memory: reads x[33] (kernel.cu:3)\n" in text
    assert "    placebo, add (trial 2): memory: reads x[33] (kernel.cu:3)\n" in text
    assert "skill, add" not in text
    assert "baseline, add" not in summary(items)


def ids(*cases: str) -> tuple[str, ...]:
    return tuple(f"skills/cuda-kernels/SKILL.md::{case}[{item}]" for case in cases for item in ("golden", "mutants"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ""),
        ({"interrupted": True}, "interrupted"),
        ({"unreached": ids("softmax", "gelu")}, "2 of 3 cases were not checked"),
        ({"unreached": ids(*CASES[1:7], "top_k", "conv", "fft"), "interrupted": True},
         "interrupted: 9 of 10 cases were not checked"),
        ({"unreached": ("skills/b/SKILL.md::spec", "skills/b/SKILL.md::add[golden]")}, "1 of 2 cases was not checked"),
    ],
)  # fmt: skip
def test_cases_that_were_not_checked_are_counted(more: dict[str, Any], said: str) -> None:
    view = build_view([spec(), golden("add"), mutants("add")], run(self_check=True, **more))
    assert view.gap == said
    assert (f"note     {said}\n" in summary([spec(), golden("add"), mutants("add")], self_check=True, **more)) == bool(
        said
    )


def test_a_case_that_could_not_be_judged_was_not_checked() -> None:
    unsure = [golden(case, kind=VerdictKind.INCONCLUSIVE, reason="it needs a GPU") for case in CASES[1:]]
    text = summary([golden("add"), *unsure], self_check=True)
    assert "note     7 of 8 cases were not checked\n" in text
    assert text.count("it needs a GPU") == 7


def test_a_broken_case_is_named_and_not_explained_again() -> None:
    broken = Outcome("skills/cuda-kernels/SKILL.md::conv", ItemKind.BROKEN_CASE, "cuda-kernels", "conv",
                     Verdict(VerdictKind.FAILED, "evals/conv.md:3: dim 'n' is '1..'"))  # fmt: skip
    for check in (True, False):
        text = summary([spec(), golden("add"), broken], self_check=check)
        assert "✗ broken case conv\n" in text and "dim 'n'" not in text
    assert "1 of 2 cases was not checked" in summary([spec(), golden("add"), broken], self_check=True)


def test_a_solution_that_fails_is_named_with_the_line_of_its_case() -> None:
    lost = golden("add", failed={"compiles": "error"}, source_name="skills/a/evals/add.md", source_start=21)
    lost = replace(lost, source_name="skills/a/evals/add.md", shown_line=4)
    assert "✗ add failed: compiles (skills/a/evals/add.md:24)\n" in summary([lost], self_check=True)
    refused = golden("gelu", kind=VerdictKind.FAILED, reason="evals/gelu.md:9: the reference raised KeyError")
    refused = replace(refused, verdict=replace(refused.verdict, assertions=()))
    assert "✗ gelu failed: it cannot be judged\n" in summary([refused], self_check=True)


NAME = "a-name-of-more-than-a-hundred-letters-" * 3


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("check", [True, False])
def test_names_are_wrapped_and_not_cut(width: int, check: bool) -> None:
    survivor = SurvivingMutant(41, "c < cols -> " + "c <= cols && " * 12, False, "with larger dims, " * 8)
    score = replace(mutants(f"{NAME}m", 10, (survivor,)), skill=f"{NAME}k")
    own = Assertion(f"{NAME}a", False, "no")
    judged = outcome(f"{NAME}c", f"{NAME}s", skill=f"{NAME}k", notes=(f"{NAME}n",))
    judged = replace(judged, verdict=replace(judged.verdict, assertions=(*judged.verdict.assertions, own)))
    items = [judged, replace(judged, id="b", arm=f"{NAME}r"), score, replace(score, id="c", case="add")]
    text = summary(items, width=width, self_check=check, spent=f"{NAME}t")
    assert max(map(measure, text.splitlines())) <= width and "…" not in text
    flat = "".join(text.split())
    assert [name for name in ("kntac" if check else "kntsr") if NAME + name not in flat] == []
