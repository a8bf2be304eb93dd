"""The JSON reports of all kinds of runs satisfy the published schema, which knows every property that they have."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pytest_upskill.reporting
from pytest_upskill.records import (
    ItemKind,
    KernelResources,
    MutationScore,
    Outcome,
    RubricRecord,
    Seconds,
    SurvivingMutant,
    Tokens,
    TriggerRecord,
    Turn,
    Verdict,
    VerdictKind,
)
from pytest_upskill.records.gating import GateKind
from pytest_upskill.reporting import render
from pytest_upskill.reporting.gates import GateRow
from pytest_upskill.reporting.view import build_view
from pytest_upskill.statistics.gates import GateVerdict
from tests.unit.reporting_outcomes import counterexample, golden, outcome, run, spec

SCHEMA = json.loads(Path(pytest_upskill.reporting.__file__).with_name("report.schema.json").read_text(encoding="utf-8"))


def strict(schema: Any) -> Any:
    """The schema that refuses properties which it does not name: a new one has to be documented."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(value) for name, value in schema.items()}
    return {**found, "additionalProperties": False} if isinstance(found.get("properties"), dict) else found


VALIDATOR = jsonschema.Draft202012Validator(strict(SCHEMA))


def report(*outcomes: Outcome, gates: Sequence[GateRow] = (), **more: Any) -> dict[str, Any]:
    view = replace(build_view(list(outcomes), run(**more)), gates=tuple(gates))
    data = json.loads(render(view, ".json"))
    assert isinstance(data, dict)
    return data


def both_arms(cases: int, trials: int = 1) -> Iterator[Outcome]:
    for number in range(cases):
        for trial in range(1, trials + 1):
            yield outcome(f"case{number}", trial=trial, replay="pytest skills", cost_usd=0.01)
            yield outcome(f"case{number}", arm="baseline", trial=trial, failed={"compiles": "no"}, cost_usd=0.02)


def on_gpu() -> Outcome:
    return replace(outcome(), kernels=(KernelResources("k<float>", "sm_90", 40, shared=1024),), device_memory=4096)


def conversation() -> Outcome:
    turns = (Turn(VerdictKind.FAILED, "no", Tokens(1, 2, 3, 4), 0.1, math.inf), Turn(VerdictKind.PASSED, None))
    return outcome(turns=turns, notes=("a note",), outdated=2, tokens=Tokens(1, 2, 3, 4))


def mutants() -> Outcome:
    survived = (SurvivingMutant(3, "< became <=", True, "try n=1"),)
    verdict = Verdict(VerdictKind.INCONCLUSIVE, "no solution")
    return Outcome("a::b[mutants]", ItemKind.MUTANTS, "s", "b", verdict, score=MutationScore(1, 2, 0, survived))


def choice(wanted: bool, **more: Any) -> Outcome:
    record = TriggerRecord(f"a query {wanted}", wanted, True, ("tiny",))
    return replace(outcome(f"trigger.{wanted}", arm="", **more), kind=ItemKind.TRIGGER, arm=None, trigger=record)


GATES = [
    GateRow(GateKind.MIN_PASS_RATE, "s", "files", 0.8, GateVerdict.INCONCLUSIVE, "interval", 0.7, (0.5, 0.9), "", 3, 2),
    GateRow(GateKind.MAX_COST, "s", None, 2.0, GateVerdict.PASS, "estimate"),
]

RUNS = {
    "nothing ran": report(),
    "a self-check": report(spec(), golden("add"), mutants(), self_check=True),
    "a failed spec": report(spec(reason="no name")),
    "a GPU": report(on_gpu(), device="cuda"),
    "turns": report(conversation()),
    "a counterexample": report(outcome(failed={"correct[float16]": "off"}, counterexample=counterexample())),
    "no worst element": report(outcome(failed={"memory": "m"}, counterexample=counterexample("memory", worst=None))),
    "an error": report(outcome(kind=VerdictKind.INFRASTRUCTURE_ERROR, reason="no server", cost_usd=None)),
    "no money": report(outcome(kind=VerdictKind.BUDGET_STOPPED, reason="budget")),
    "no number": report(outcome(seconds=Seconds(math.nan, math.inf, -math.inf))),
    "one pair": report(*both_arms(1)),
    "a decided lift": report(*both_arms(12)),
    "gates": report(
        outcome(xfail="known", tags=("sum",), reused=1),
        outcome("b", kind=VerdictKind.NOT_NEEDED, reason="x"),
        gates=GATES,
    ),
    "not answered": report(outcome(kind=VerdictKind.NOT_ANSWERED, reason="no reply")),
    "an A/A run": report(
        *(outcome(f"case{n}", arm=arm, trial=t) for n in (1, 2) for t, arm in ((1, "skill"), (2, "repeat")))
    ),
    "triggers": report(choice(True), choice(False, kind=VerdictKind.INCONCLUSIVE), noise="20:7"),
    "a rubric": report(outcome(rubric=RubricRecord("kimi", ((True,), (False,)), 3, Tokens(9, 1), 0.1))),
    "several trials": report(*both_arms(3, trials=3)),
}


@pytest.mark.parametrize("name", RUNS)
def test_reports_satisfy_the_schema_and_have_no_other_properties(name: str) -> None:
    assert [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(RUNS[name])] == []


def test_the_schema_is_one_and_each_of_its_properties_is_used() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    written = {name for data in RUNS.values() for name in names(data)}
    assert set(properties(SCHEMA)) - written == set()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("items", 0, "verdict"), "success"),
        (("items", 0, "tokens", "input"), -1),
        (("items", 0, "assertions", 0, "passed"), "yes"),
        (("items", 0, "id"), None),
        (("summary", 0, "interval"), [0.5]),
        (("lift", 0, "verdict"), "significant"),
        (("lift", 0, "p"), "small"),
        (("schema",), 2),
    ],
)
def test_the_schema_refuses_what_no_report_says(place: tuple[Any, ...], value: object) -> None:
    data = report(*both_arms(2))
    part: Any = data
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    assert list(VALIDATOR.iter_errors(data))


def test_readers_with_the_published_schema_accept_later_additions() -> None:
    data = report(*both_arms(1))
    data["items"][0]["added_later"] = data["added_later"] = 1
    jsonschema.validate(data, SCHEMA)


def names(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        yield from data
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from names(value)


def properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield from schema["properties"]
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from properties(value)
