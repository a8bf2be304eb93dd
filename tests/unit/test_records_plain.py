from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import MappingProxyType

import pytest
from pydantic import TypeAdapter

from pytest_upskill.records import (
    Assertion,
    Counterexample,
    Example,
    Finding,
    ItemKind,
    KernelResources,
    LaunchStatistics,
    MutationScore,
    Outcome,
    RunInfo,
    SurvivingMutant,
    Turn,
    Verdict,
    VerdictKind,
    Window,
    WorstElement,
)
from pytest_upskill.records.plain import to_plain

BARE = Outcome(id="a::b", kind=ItemKind.TEXT, skill="a", case=None, verdict=Verdict(VerdictKind.PASSED))
WINDOW = Window((0, 1), (("1", "2"),), (("1", "nan"),), ((0.5, None),))
COUNTEREXAMPLE = Counterexample(
    "correct[float32]",
    Example({"n": 3}, "float32", 7, scalars={"alpha": 0.5, "flag": True}),
    "wrong",
    WorstElement("out", (1,), "2", "nan", around=WINDOW),
    inputs={"x": "[1, 2, 3]"},
)
FULL = replace(
    BARE,
    verdict=Verdict(
        VerdictKind.FAILED, "why", (Assertion("runs", True), Assertion("memory", False, "m")), COUNTEREXAMPLE
    ),
    kernels=(KernelResources("k", "sm_90", 40),),
    score=MutationScore(1, 2, 0, (SurvivingMutant(3, "+ to -", unseen=True),)),
    turns=(Turn(VerdictKind.FAILED, None, reply="half of a pair: \ud83d"),),
    reports=(Finding("memory", "oob", "read past the end", 4),),
    not_executed=((3, 4), (9, 9)),
    launches=LaunchStatistics(3, 6),
    tags=("a", "b"),
)


@pytest.mark.parametrize("outcome", [BARE, FULL])
def test_an_outcome_becomes_the_same_plain_data_as_pydantic_makes_of_it(outcome: Outcome) -> None:
    assert outcome.to_plain() == TypeAdapter(Outcome).dump_python(outcome, mode="json")
    assert Outcome.from_plain(json.loads(json.dumps(outcome.to_plain()))) == outcome


def test_only_plain_types_are_left() -> None:
    def types(value: object) -> set[type]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*map(types, inner))

    assert types(to_plain(FULL)) == {dict, list, str, int, float, bool, type(None)}


def test_a_run_comes_back_from_its_plain_data() -> None:
    info = RunInfo({"cpus": 2}, "cpu", 7, "2026-01-01", 1.5, answers=("a", "b"), students={"x": {"model": "y"}})
    assert RunInfo.from_plain(json.loads(json.dumps(info.to_plain()))) == info


def test_mappings_of_any_kind_become_dicts_and_unknown_values_stay() -> None:
    @dataclass(frozen=True)
    class Holder:
        values: object

    assert to_plain(Holder(MappingProxyType({"a": (1, 2)}))) == {"values": {"a": [1, 2]}}
    unknown = object()
    assert to_plain(Holder(unknown)) == {"values": unknown}
