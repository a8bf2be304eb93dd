"""The JSON report: a stable format that scripts can depend on.

Numbers that JSON cannot express become the texts "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pytest_upskill.records import SCHEMA, Counterexample, ItemKind, MutationScore, Outcome, Tokens, WorstElement
from pytest_upskill.reporting.view import LiftRow, SummaryRow, View


def render(view: View) -> str:
    """The whole report, one JSON object and a line end; ASCII, so that no encoding can break it."""
    run = view.run
    report = {
        "schema": SCHEMA,
        "machine": dict(run.machine),
        "device": run.device,
        "seed": run.seed,
        "started": run.started,
        "seconds": run.seconds,
        "items": [_item(item) for item in view.items],
        "summary": [_summary(row) for row in view.summary],
        "lift": [_lift(row) for row in view.lift],
    }
    return json.dumps(_plain(report), indent=2, allow_nan=False) + "\n"


def _item(item: Outcome) -> dict[str, Any]:
    verdict = item.verdict
    asked = item.kind in (ItemKind.KERNEL, ItemKind.TEXT)
    return {
        "id": item.id,
        "kind": item.kind.value,
        "skill": item.skill,
        "case": item.case,
        "student": item.student if asked else None,
        "arm": item.arm if asked else None,
        "trial": item.trial if asked else None,
        "verdict": verdict.kind.value,
        "reason": verdict.reason,
        "assertions": [{"name": one.name, "passed": one.passed, "message": one.message} for one in verdict.assertions],
        "counterexample": None if verdict.counterexample is None else _counterexample(verdict.counterexample),
        "tokens": _tokens(item.tokens),
        "cost_usd": item.cost_usd,
        "seconds": {"reply": item.seconds.reply, "build": item.seconds.build, "run": item.seconds.run},
        **_on_gpu(item),
        **({"mutants": _mutants(item.score)} if item.score is not None else {}),
        **_turns(item),
        **({"notes": item.notes} if item.notes else {}),
    }


def _mutants(score: MutationScore) -> dict[str, Any]:
    return {
        "killed": score.killed,
        "total": score.total,
        "equivalent": score.equivalent,
        "lived": [
            {"line": one.line, "change": one.change, "unseen": one.unseen, "advice": one.advice}
            for one in score.survived
        ],
    }


def _on_gpu(item: Outcome) -> dict[str, Any]:
    """Facts of kernels that were built for a GPU and run on one."""
    known: dict[str, Any] = {}
    if item.kernels:
        known["build"] = {"kernels": [asdict(kernel) for kernel in item.kernels]}
    if item.device_memory is not None:
        known["device_memory"] = item.device_memory
    return known


def _turns(item: Outcome) -> dict[str, Any]:
    """The turns of an item that could have more than one."""
    if not item.turns:
        return {}
    return {
        "turns": [
            {
                "verdict": turn.verdict.value,
                "reason": turn.reason,
                "tokens": _tokens(turn.tokens),
                "cost_usd": turn.cost_usd,
                "seconds": turn.seconds,
            }
            for turn in item.turns
        ]
    }


def _tokens(tokens: Tokens) -> dict[str, int]:
    counted = {"input": tokens.input, "output": tokens.output, "cached": tokens.cached}
    return {**counted, "written": tokens.written} if tokens.written else counted


def _counterexample(found: Counterexample) -> dict[str, Any]:
    example = found.example
    return {
        "assertion": found.assertion,
        "dims": example.dims,
        "dtype": example.dtype,
        "seed": example.seed,
        "values": example.values or None,
        "scalars": example.scalars,
        "example": str(example),
        "message": found.message,
        "worst": None if found.worst is None else _worst(found.worst),
        "line": found.line,
        "reproducible": found.reproducible,
    }


def _worst(element: WorstElement) -> dict[str, Any]:
    return {
        "output": element.output,
        "index": element.index,
        "expected": element.expected,
        "got": element.got,
        "error": element.error,
        "bound": element.bound,
    }


def _summary(row: SummaryRow) -> dict[str, Any]:
    return {
        "skill": row.skill,
        "student": row.student,
        "arm": row.arm,
        "passed": row.passed,
        "total": row.total,
        "inconclusive": row.inconclusive,
        "errors": row.errors,
        "pass_rate": row.pass_rate,
        "interval": row.interval,
        "assertions_passed": row.assertions_passed,
        "assertions_total": row.assertions_total,
        "tokens": row.tokens.input + row.tokens.output,
        "cost_usd": row.cost_usd,
        **({"pass_at_turn": row.pass_at_turn} if row.passed_by_turn else {}),
    }


def _lift(row: LiftRow) -> dict[str, Any]:
    return {
        "skill": row.skill,
        "student": row.student,
        "arm": row.arm,
        "against": row.against,
        "lift": row.lift,
        "interval": row.interval,
        "p": row.p,
        "verdict": row.verdict,
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return _plain(value.item())
    return str(value)


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
