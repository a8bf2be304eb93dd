from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pytest
import torch
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


def test_numbers_of_libraries_become_pythons() -> None:
    @dataclass(frozen=True)
    class Holder:
        values: object

    given = {
        np.int64(2): np.int64(3), "b": np.bool_(True), "f": np.float32(0.5), "d": np.float64(0.25), "s": np.str_("x"),
        "a": np.array([[1, 2]], dtype=np.uint8), "t": torch.tensor(7), "u": (torch.tensor([1.5]), np.uint16(9)),
    }  # fmt: skip
    plain = to_plain(Holder(given))["values"]
    assert plain == {
        2: 3, "b": True, "f": 0.5, "d": 0.25, "s": "x", "a": [[1, 2]], "t": 7, "u": [[1.5], 9],
    }  # fmt: skip
    assert {type(one) for one in plain} == {int, str}
    assert [type(plain[key]) for key in (2, "b", "f", "d", "s")] == [int, bool, float, float, str]
    assert json.loads(json.dumps(plain))["2"] == 3
    sizes = replace(COUNTEREXAMPLE, example=replace(COUNTEREXAMPLE.example, dims={"n": np.int64(3)}))  # type: ignore[dict-item]
    assert type(to_plain(sizes)["example"]["dims"]["n"]) is int
