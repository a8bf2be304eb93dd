"""Makes the folders that Anthropic's skill-creator writes for its evaluations, for its viewer.

Each skill and student has a folder of its own, because ``benchmark.json`` names one skill and one model:
``SKILL/STUDENT/eval-1/with_skill/run-1/``.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from pytest_upskill.paths import component
from pytest_upskill.records import Outcome, VerdictKind
from pytest_upskill.reporting.failure import one_line
from pytest_upskill.reporting.text_style import TextStyle, percent, points, spread
from pytest_upskill.reporting.view import BASELINE_ARM, SKILL_ARM, SkillView, StudentView, View

STALE = "*/*/eval-*"
"""The folders of an earlier report. The viewer's ``feedback.json`` is beside them, and is kept."""

_CONFIGURATIONS = {SKILL_ARM: "with_skill", BASELINE_ARM: "without_skill"}
_DECIDED = (VerdictKind.PASSED, VerdictKind.FAILED)
_PLAIN = TextStyle(width=80, color=False, unicode=True)
_Run = tuple[int, str, Outcome]
"""The number of an evaluation, its configuration, and an item."""


def files(view: View) -> Iterator[tuple[str, str]]:
    """Yield the relative path and the text of each file. Paths are strings for speed, because each item has four
    files.
    """
    for skill in view.skills:
        for student in skill.students:
            folder = f"{component(skill.name)}/{component(student.name)}"
            for path, text in _workspace(view, skill, student):
                yield f"{folder}/{path}", text


def _workspace(view: View, skill: SkillView, student: StudentView) -> Iterator[tuple[str, str]]:
    numbers = {name: number for number, name in enumerate(skill.cases, 1)}
    runs = [
        (numbers[item.case or ""], _configuration(item.arm), item)
        for item in skill.judged
        if item.student == student.name
    ]
    # Several items share a prompt, and only one of them has its text.
    prompts = {item.prompt_digest: item.prompt for item in view.items if item.prompt}
    asked = set()
    for number, configuration, item in runs:
        evaluation = f"eval-{number}"
        folder = f"{evaluation}/{configuration}"
        for place in (evaluation, folder):  # the viewer reads the second, skill-creator's aggregating script the first
            if place not in asked:
                asked.add(place)
                metadata = {"eval_id": number, "eval_name": item.case, "prompt": _prompt(item, prompts)}
                yield f"{place}/eval_metadata.json", _json({**metadata, "assertions": _names(item)})
        yield from ((f"{folder}/run-{item.trial or 1}/{path}", text) for path, text in _run(item))
    yield "benchmark.json", _json(_benchmark(view, skill, student, runs))


def _configuration(arm: str | None) -> str:
    return _CONFIGURATIONS.get(arm or "", component(arm or "with_skill"))


def _prompt(item: Outcome, prompts: Mapping[str, str]) -> str:
    return prompts.get(item.prompt_digest, "") or f"case {item.case} of the skill {item.skill}"


def _names(item: Outcome) -> list[str]:
    return [one.name for one in item.verdict.assertions]


def _run(item: Outcome) -> Iterator[tuple[str, str]]:
    """Yield the files of one run.

    A run without a verdict gets no grading.json, because the viewer would count it as a failure.
    """
    if item.reply:
        yield "outputs/reply.md", item.reply
    if item.source is not None:
        yield f"outputs/{_file_name(item.source_name)}", item.source
    if item.verdict.kind in _DECIDED:
        yield "grading.json", _json(_grading(item))
    else:
        yield "outputs/not-judged.txt", f"{item.verdict.kind.value}: {one_line(item)}\n"
    yield "timing.json", _json({**_timing(item), "duration_ms": round(1000 * item.seconds.total)})


@lru_cache
def _file_name(source: str) -> str:
    return component(PurePath(source or "kernel").name)


def _grading(item: Outcome) -> Mapping[str, Any]:
    return {
        "expectations": _expectations(item),
        "summary": _summary(item),
        "execution_metrics": {"total_tool_calls": 0, "errors_encountered": 0, "output_chars": len(item.source or "")},
        "timing": _timing(item),
        "claims": [],
        "user_notes_summary": {"uncertainties": [], "needs_review": list(item.notes), "workarounds": []},
        "eval_feedback": {"suggestions": [], "overall": item.replay or ""},
    }


def _expectations(item: Outcome) -> list[Mapping[str, Any]]:
    found = item.verdict.counterexample
    return [
        {
            "text": one.name,
            "passed": one.passed,
            "evidence": one.message + (f" (example: {found.example})" if found and found.assertion == one.name else ""),
        }
        for one in item.verdict.assertions
    ]


def _summary(item: Outcome) -> Mapping[str, Any]:
    passed, total = sum(one.passed for one in item.verdict.assertions), len(item.verdict.assertions)
    alone = float(item.verdict.kind is VerdictKind.PASSED)  # used for a verdict without assertions
    return {"passed": passed, "failed": total - passed, "total": total, "pass_rate": passed / total if total else alone}


def _timing(item: Outcome) -> Mapping[str, Any]:
    tokens = item.tokens.input + item.tokens.output
    return {"total_tokens": tokens, "total_duration_seconds": round(item.seconds.total, 3)}


def _benchmark(view: View, skill: SkillView, student: StudentView, runs: Sequence[_Run]) -> Mapping[str, Any]:
    graded = [one for one in runs if one[2].verdict.kind in _DECIDED]
    return {
        "metadata": {
            "skill_name": skill.name,
            "skill_path": skill.items[0].id.partition("::")[0],
            "executor_model": student.name,
            "analyzer_model": "pytest-upskill",
            "timestamp": view.run.started,
            "evals_run": sorted({number for number, _, _ in runs}),
            "runs_per_configuration": max((item.trial or 1 for _, _, item in runs), default=1),
        },
        "runs": [_benchmark_run(*one) for one in graded],
        "run_summary": _run_summary(student, graded),
        "notes": list(_notes(student, len(runs) - len(graded))),
    }


def _benchmark_run(number: int, configuration: str, item: Outcome) -> Mapping[str, Any]:
    timing = _timing(item)
    spent = {"time_seconds": timing["total_duration_seconds"], "tokens": timing["total_tokens"]}
    return {
        "eval_id": number,
        "eval_name": item.case,
        "configuration": configuration,
        "run_number": item.trial or 1,
        "result": {**_summary(item), **spent, "tool_calls": 0, "errors": 0},
        "expectations": _expectations(item),
        "notes": list(item.notes),
    }


def _run_summary(student: StudentView, graded: Sequence[_Run]) -> Mapping[str, Any]:
    """Return a summary by configuration, in the order of the arms. The viewer shows the first two and their
    difference.
    """
    summary: dict[str, Any] = {}
    for configuration in dict.fromkeys(_configuration(row.arm) for row in student.arms):
        items = [item for _, name, item in graded if name == configuration]
        summary[configuration] = {
            "pass_rate": _spread([_summary(item)["pass_rate"] for item in items]),
            "time_seconds": _spread([item.seconds.total for item in items]),
            "tokens": _spread([float(item.tokens.input + item.tokens.output) for item in items]),
        }
    first, second = (*summary.values(), {}, {})[:2]
    delta = {name: value["mean"] - second.get(name, {"mean": 0.0})["mean"] for name, value in first.items()}
    digits = {"pass_rate": 2, "time_seconds": 1, "tokens": 0}
    return {**summary, "delta": {name: f"{value:+.{digits[name]}f}" for name, value in delta.items()}}


def _spread(values: Sequence[float]) -> Mapping[str, float]:
    if not values:
        return dict.fromkeys(("mean", "stddev", "min", "max"), 0.0)
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    found = {"mean": statistics.fmean(values), "stddev": deviation, "min": min(values), "max": max(values)}
    return {name: round(value, 4) for name, value in found.items()}


def _notes(student: StudentView, not_judged: int) -> Iterator[str]:
    """Yield notes for which the format has no field, such as that a kernel passes only if all its assertions do."""
    for row in student.arms:
        rate = "" if row.pass_rate is None else f" ({percent(row.pass_rate)})"
        yield f"{_configuration(row.arm)}: {row.passed} of {row.total} replies passed all assertions{rate}."
    lift = student.lift(BASELINE_ARM)
    if lift is not None and lift.lift is not None:
        yield f"Lift: {points(lift.lift, _PLAIN)} points{spread(lift.interval, _PLAIN)}, paired by case."
    if not_judged:
        yield f"Not judged, and not counted: {not_judged}."


def _json(data: object) -> str:
    """Return the data as ASCII JSON, because readers use their platform's encoding.

    ``</`` is escaped, because it would end the script of a page that includes the data.
    """
    return json.dumps(data).replace("</", "<\\/") + "\n"
