"""The JSON report: a stable format that scripts can depend on.

Numbers that JSON cannot express become the texts "NaN", "Infinity" and "-Infinity".
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pytest_upskill.records import (
    SCHEMA,
    Counterexample,
    ItemKind,
    MutationScore,
    Outcome,
    RubricRecord,
    Tokens,
    Turn,
    VerdictKind,
)
from pytest_upskill.reporting.failure import one_line
from pytest_upskill.reporting.lift import LiftRow
from pytest_upskill.reporting.rubric import JudgeRow
from pytest_upskill.reporting.triggers import TriggerRow
from pytest_upskill.reporting.view import SummaryRow, View
from pytest_upskill.skills.arms import is_control

_DIGESTS = ("prompt_digest", "reply_digest", "skill_digest", "case_digest")


def render(view: View) -> str:
    """Return the whole report, one JSON object and a line end. It is ASCII, so that no encoding can break it."""
    run = view.run
    report = {
        "schema": SCHEMA,
        "machine": dict(run.machine),
        **_fields(run, "device seed started seconds"),
        "run": {
            **_fields(run, "session version command students revision dirty interrupted self_check"),
            **({"noise": run.noise} if run.noise not in ("", "0") else {}),
        },
        "items": [_item(item) for item in view.items],
        "summary": [_summary(row) for row in view.summary],
        "lift": [_lift(row) for row in view.lift],
        **({"noise": noise} if (noise := _noise(view)) else {}),
        **({"gates": [asdict(row) for row in view.gates]} if view.gates else {}),
        **(
            {"triggers": triggers}
            if (triggers := [_trigger(row) for one in view.skills for row in one.triggers])
            else {}
        ),
        **({"judges": [_judge(row) for row in view.judges]} if view.judges else {}),
    }
    try:
        return _text(report)
    except (ValueError, TypeError):  # a number or a key that JSON cannot express
        return _text(_plain(report))


def _text(report: Mapping[str, Any]) -> str:
    """Return the report as indented JSON, with one line for each item.

    One line for each item is faster to write, and lets a diff show which item changed.
    """
    rest = json.dumps({**report, "items": []}, indent=2, allow_nan=False, default=_plain)
    lines = ",\n    ".join(json.dumps(item, allow_nan=False, default=_plain) for item in report["items"])
    items = f'\n  "items": [\n    {lines}\n  ]' if lines else '\n  "items": []'
    return rest.replace('\n  "items": []', items, 1) + "\n"


def _noise(view: View) -> list[dict[str, Any]]:
    """Return the noise floor of each skill and student that has one."""
    floors = [student.noise for skill in view.skills for student in skill.students if student.noise]
    return [
        {
            **_fields(one, "skill student run started"),
            "cases": one.lift.pairs,
            "flip_rate": one.flips.mean,
            "flip_interval": one.flips.interval(),
            "lift": one.lift.mean,
            "lift_interval": one.lift.interval,
        }
        for one in floors
    ]


def _item(item: Outcome) -> dict[str, Any]:
    verdict, asked = item.verdict, item.kind in (ItemKind.KERNEL, ItemKind.TEXT, ItemKind.TRIGGER)
    return {
        **_fields(item, "id kind skill case"),
        **(_fields(item, "student arm trial") if asked else dict.fromkeys(("student", "arm", "trial"))),
        "verdict": verdict.kind.value,
        "reason": verdict.reason,
        "assertions": [_fields(one, "name passed message") for one in verdict.assertions],
        "counterexample": None if verdict.counterexample is None else _counterexample(verdict.counterexample),
        "tokens": _tokens(item.tokens),
        "cost_usd": item.cost_usd,
        "seconds": _fields(item.seconds, "reply build run"),
        **({"build": {"kernels": [asdict(kernel) for kernel in item.kernels]}} if item.kernels else {}),
        **({"device_memory": item.device_memory} if item.device_memory is not None else {}),
        **({"mutants": _mutants(item.score)} if item.score is not None else {}),
        **({"rubric": _rubric(item.rubric)} if item.rubric is not None else {}),
        **({"trigger": asdict(item.trigger)} if item.trigger is not None else {}),
        **({"turns": [_turn(turn) for turn in item.turns]} if item.turns else {}),
        **({"xfail": item.xfail} if item.xfail else {}),
        **({"tags": item.tags} if item.tags else {}),
        **({"reused_replies": item.reused} if item.reused else {}),
        **({"outdated_replies": item.outdated} if item.outdated else {}),
        **({"notes": item.notes} if item.notes else {}),
        **{name: getattr(item, name) or None for name in _DIGESTS},
        "control_reason": _control_reason(item),
        **({"replay": item.replay} if item.replay else {}),
    }


def _control_reason(item: Outcome) -> str | None:
    """Return why an item of a control arm failed. pytest counts such an item as passed."""
    failed = item.verdict.kind is VerdictKind.FAILED and item.arm is not None and is_control(item.arm)
    return one_line(item) if failed else None


def _fields(value: object, names: str) -> dict[str, Any]:
    """Return the attributes that the report writes under their own names."""
    return {name: getattr(value, name) for name in names.split()}


def _mutants(score: MutationScore) -> dict[str, Any]:
    lived = [_fields(one, "line change unseen advice") for one in score.survived]
    return {**_fields(score, "killed total equivalent"), "lived": lived}


def _rubric(record: RubricRecord) -> dict[str, Any]:
    return {**_fields(record, "judge answers asked"), "tokens": _tokens(record.tokens), "cost_usd": record.cost_usd}


def _trigger(row: TriggerRow) -> dict[str, Any]:
    names = ("chosen_rightly", "chosen_wrongly", "left_rightly", "left_wrongly")
    return {
        **_fields(row, "skill student queries undecided"),
        **dict(zip(names, row.counts, strict=True)),
        **_fields(row, "precision precision_interval recall recall_interval"),
        "tokens": _tokens(row.tokens),
        "cost_usd": row.cost_usd,
    }


def _judge(row: JudgeRow) -> dict[str, Any]:
    counted = _fields(row, "judge replies asked statements agreement kappa cost_usd")
    return {**counted, "tokens": _tokens(row.tokens)}


def _turn(turn: Turn) -> dict[str, Any]:
    return {**_fields(turn, "verdict reason"), "tokens": _tokens(turn.tokens), **_fields(turn, "cost_usd seconds")}


def _tokens(tokens: Tokens) -> dict[str, Any]:
    return _fields(tokens, "input output cached written" if tokens.written else "input output cached")


def _counterexample(found: Counterexample) -> dict[str, Any]:
    example = found.example
    return {
        "assertion": found.assertion,
        **_fields(example, "dims dtype seed"),
        "values": example.values or None,
        "scalars": example.scalars,
        "example": str(example),
        "message": found.message,
        "worst": found.worst and _fields(found.worst, "output index expected got error bound"),
        **_fields(found, "line reproducible"),
    }


def _summary(row: SummaryRow) -> dict[str, Any]:
    return {
        **_fields(row, "skill student arm passed total inconclusive errors pass_rate interval"),
        **_fields(row, "assertions_passed assertions_total"),
        "tokens": row.tokens.input + row.tokens.output,
        "cost_usd": row.cost_usd,
        **({"pass_at_turn": row.pass_at_turn} if row.passed_by_turn else {}),
        **({"not_needed": row.unneeded} if row.unneeded else {}),
        **({"reused": row.reused} if row.reused else {}),
        **(_fields(row, "pass_at_k pass_all_k flip_rate") if row.repeated > 1 else {}),
        **({"not_answered": row.unanswered} if row.unanswered else {}),
    }


def _lift(row: LiftRow) -> dict[str, Any]:
    ratios = {"token_ratio": row.tokens, "cost_ratio": row.cost}
    return {
        **_fields(row, "skill student arm against lift interval p verdict pairs decidable p_corrected more_cases"),
        **{name: asdict(ratio) if ratio.pairs else None for name, ratio in ratios.items()},
        "lift_per_usd": row.per_usd,
        "flags": {flag.value: cases for flag, cases in row.flags.items()},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    if getattr(value, "shape", None) == ():  # a scalar of numpy or torch
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    return value if value is None or isinstance(value, bool | str | int | float) else str(value)
