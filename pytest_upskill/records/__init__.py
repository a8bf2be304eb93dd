"""What the rooms hand each other: frozen, plain data. Knows no room but ``errors``.

Sizes are in elements or bytes as named, times in seconds.
"""

from __future__ import annotations

from pytest_upskill.records.asking import Exchange, Prompt, Question, Reply, ReplyDetails, Tokens, reply_file_name
from pytest_upskill.records.call_layout import CallLayout, ResultFacts, ScalarKind, ScalarParameter, TensorParameter
from pytest_upskill.records.dtypes import FLOATING, ITEM_SIZE
from pytest_upskill.records.judgement import (
    SCHEMA,
    Assertion,
    Counterexample,
    Example,
    ItemKind,
    MutationScore,
    Outcome,
    Seconds,
    SurvivingMutant,
    Turn,
    Verdict,
    VerdictKind,
    WorstElement,
    assertion_names,
)
from pytest_upskill.records.running import (
    Answer,
    Build,
    Call,
    Finding,
    Kernel,
    KernelResources,
    LaunchStatistics,
    Role,
    ScalarArgument,
    TensorArgument,
)

__all__ = [
    "FLOATING",
    "ITEM_SIZE",
    "SCHEMA",
    "Answer",
    "Assertion",
    "Build",
    "Call",
    "CallLayout",
    "Counterexample",
    "Example",
    "Exchange",
    "Finding",
    "ItemKind",
    "Kernel",
    "KernelResources",
    "LaunchStatistics",
    "MutationScore",
    "Outcome",
    "Prompt",
    "Question",
    "Reply",
    "ReplyDetails",
    "ResultFacts",
    "Role",
    "ScalarArgument",
    "ScalarKind",
    "ScalarParameter",
    "Seconds",
    "SurvivingMutant",
    "TensorArgument",
    "TensorParameter",
    "Tokens",
    "Turn",
    "Verdict",
    "VerdictKind",
    "WorstElement",
    "assertion_names",
    "reply_file_name",
]
