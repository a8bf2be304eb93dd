"""Measures how difficult cases are: the pass rate of a student that does not see the skill."""

from __future__ import annotations

from pathlib import Path

from pytest_upskill.cases.case_file import load_case
from pytest_upskill.commands.generate.asking import Asking
from pytest_upskill.commands.generate.student_runs import Answers
from pytest_upskill.generator.experiment import BASELINE, Experiment
from pytest_upskill.generator.open_student import check_student, open_student, student_config
from pytest_upskill.generator.writing import Writing
from pytest_upskill.records import Prompt, VerdictKind
from pytest_upskill.replies.budget import worst_case
from pytest_upskill.replies.ledger import in_usd
from pytest_upskill.reporting.text_style import plural
from pytest_upskill.skills.skill import skill_file
from pytest_upskill.students.base import StudentConfig

STEP = "baseline"
_LONGEST_PROMPT = 8000
"""The assumed length (in characters) of a question about a case that does not exist yet, for estimates."""


def check(asking: Asking, spec: str, cases: int) -> StudentConfig:
    """Return the student that will be measured, and show what it may cost.

    Raises UsageError if the student cannot be used. This happens before the teacher is asked.
    """
    config = student_config(spec, asking.tables, Path.cwd(), refused=("golden",))
    check_student(config, asking.options.limits)
    worst = worst_case(config, Prompt("", "x" * _LONGEST_PROMPT))
    usd = "its price is not known" if worst.usd is None else in_usd(cases * worst.usd)
    asking.progress.line(
        f"baseline of {config.name}: {plural(cases, 'question')}, up to about {cases * worst.tokens:,} tokens, {usd}"
    )
    return config


def measure(asking: Asking, writing: Writing, config: StudentConfig) -> None:
    """Give the proven cases to the student without the skill, record its pass rates, and split the cases by them.

    A case without a verdict on the student gets no pass rate; the result then says that cases were not measured.
    """
    result = writing.result
    if result.folder is None or not result.kept:
        return
    cases = [load_case(result.folder / "evals" / f"{name}.md", result.folder.name) for name in result.kept]
    student, servers = open_student(config, asking.root, asking.options.limits, asking.progress.line)
    experiment = Experiment(
        skill_file(result.folder).absolute(), student, asking.session.ledger, asking.root, device=asking.options.device
    )
    whole = False
    try:
        outcomes = experiment.run(cases, [BASELINE], 1, Answers(asking.progress, len(cases)))
        whole = True
    finally:
        experiment.close(at_once=not whole)
        if servers is not None:
            servers.stop()
    rates = {VerdictKind.PASSED: 1.0, VerdictKind.FAILED: 0.0}
    found = {str(one.case): rates[one.verdict.kind] for one in outcomes if one.verdict.kind in rates}
    writing.measured(config.name, found)
    missing = [one for one in outcomes if one.verdict.kind not in rates]
    if missing:
        why = missing[0].verdict.reason or missing[0].verdict.kind.value
        result.unfinished[STEP] = f"{len(missing)} of {len(cases)} cases were not measured: {why}"
