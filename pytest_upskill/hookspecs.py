"""The hooks by which others extend pytest-upskill; implement them in a ``conftest.py`` or a plugin.

All types that they take and return can be imported from ``pytest_upskill``. For example, an assertion of your own::

    from pytest_upskill import Assertion, Case, Kernel, Reply

    def pytest_upskill_assertions(case: Case, reply: Reply, kernel: Kernel | None) -> list[Assertion]:
        return [Assertion("short", len(reply.text) < 8000, "the reply has 8000 characters or more")]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_upskill import Assertion, Case, Contract, Kernel, Language, Reply, Student, StudentConfig, View


@pytest.hookspec(firstresult=True)
def pytest_upskill_student(config: StudentConfig) -> Student | None:
    """Called once for each student, in each process of a run: return a student, or None if ``config`` is not for you.

    Example: ``return Echo(config) if config.provider == "echo" else None``.
    """


@pytest.hookspec
def pytest_upskill_language() -> Language | Sequence[Language] | None:
    """Called once at the start of each process of a run: return a language, or several, that cases may name.

    Example: ``return TableLanguage()``; ``pytest_upskill.Language`` says what it must offer.
    """


@pytest.hookspec
def pytest_upskill_contract() -> Contract | Sequence[Contract] | None:
    """Called once at the start of each process of a run: return a contract, or several, that cases may name.

    Example: ``return TableContract()``; ``pytest_upskill.Contract`` says what it must offer.
    """


@pytest.hookspec
def pytest_upskill_assertions(case: Case, reply: Reply, kernel: Kernel | None) -> Sequence[Assertion]:  # type: ignore[empty-body]
    """Called for each kernel item after it was judged: return further assertions; an item passes when all do.

    ``kernel`` is None if the reply has none. Example:
    ``return [Assertion("documented", kernel is not None and "//" in kernel.source, "the kernel has no comment")]``.
    """


@pytest.hookspec
def pytest_upskill_report(view: View) -> None:
    """Called once, by the controller, when everything is judged: ``view`` is what every report is made from.

    Example: ``Path("rate.txt").write_text(str(view.summary[0].pass_rate))``.
    """
