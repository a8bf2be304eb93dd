"""Frozen dataclasses that the packages exchange. Times are in seconds. Names say if sizes are in elements or bytes."""

from pytest_upskill.records.asking import Exchange, Prompt, Question, Reply, ReplyDetails, Tokens, reply_file_name
from pytest_upskill.records.judgement import (
    SCHEMA,
    Counterexample,
    Example,
    ItemKind,
    MutationScore,
    Outcome,
    RubricRecord,
    Seconds,
    SurvivingMutant,
    TriggerRecord,
    Turn,
    Verdict,
    VerdictKind,
    Window,
    WorstElement,
    assertion_names,
)
from pytest_upskill.records.run_info import RunInfo
from pytest_upskill.records.running import (
    FLOATING,
    ITEM_SIZE,
    NEEDS_GPU,
    Answer,
    Assertion,
    Build,
    Call,
    CallLayout,
    Finding,
    Kernel,
    KernelResources,
    LaunchStatistics,
    ResultFacts,
    Role,
    ScalarArgument,
    ScalarKind,
    ScalarParameter,
    TensorArgument,
    TensorParameter,
    Trace,
)
