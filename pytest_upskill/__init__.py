"""pytest-upskill: agent skills as test suites, judged by the kernels that students write with them.

Everything that plugins and ``conftest.py`` may import is here, and is loaded on first use. ``docs/architecture.md``
says what each name is for. All other modules are private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_upskill.cases.case import Case
    from pytest_upskill.contracts.base import Contract, Extraction, Signature
    from pytest_upskill.devices.base import Machine
    from pytest_upskill.documents.reasoning import answer_blocks
    from pytest_upskill.errors import (
        BudgetStopped,
        CaseError,
        InfrastructureError,
        LocatedError,
        NotACase,
        NotAnswered,
        SandboxError,
        SkillError,
        StudentError,
        ToolchainError,
        UpskillError,
        UsageError,
    )
    from pytest_upskill.judging import JudgeRequest, JudgeResult, judge
    from pytest_upskill.languages.base import Executor, Language, SourceMutant
    from pytest_upskill.records import (
        Answer,
        Assertion,
        Build,
        Call,
        CallLayout,
        Finding,
        Kernel,
        LaunchStatistics,
        Outcome,
        Question,
        Reply,
        ResultFacts,
        ScalarArgument,
        ScalarParameter,
        TensorArgument,
        TensorParameter,
        Tokens,
        Verdict,
        VerdictKind,
    )
    from pytest_upskill.reporting.view import View
    from pytest_upskill.students.base import Student, StudentConfig

    __version__: str

__all__ = [
    "Answer", "Assertion", "BudgetStopped", "Build", "Call", "CallLayout", "Case", "CaseError", "Contract",
    "Executor", "Extraction", "Finding", "InfrastructureError", "JudgeRequest", "JudgeResult", "Kernel", "Language",
    "LaunchStatistics", "LocatedError", "Machine", "NotACase", "NotAnswered", "Outcome", "Question", "Reply",
    "ResultFacts", "SandboxError", "ScalarArgument", "ScalarParameter", "Signature", "SkillError", "SourceMutant",
    "Student", "StudentConfig", "StudentError", "TensorArgument", "TensorParameter", "Tokens", "ToolchainError",
    "UpskillError", "UsageError", "Verdict", "VerdictKind", "View", "__version__", "answer_blocks", "judge",
]  # fmt: skip

_MODULES = (
    "errors", "records", "cases.case", "contracts.base", "devices.base", "documents.reasoning", "languages.base",
    "students.base", "reporting.view", "judging",
)  # fmt: skip
"""The modules that define the public names."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    if name == "__version__":
        return importlib.import_module("pytest_upskill.records.version").VERSION
    modules = (importlib.import_module(f"pytest_upskill.{module}") for module in _MODULES)
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
