"""Notes on other plugins, and items whose worker crashed."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_upskill.records import ItemKind, VerdictKind
from pytest_upskill.session.other_plugins import crashed_outcome, notes, time_limit_over


def config(ini: dict[str, str] | None = None, **options: object) -> Any:
    return SimpleNamespace(option=SimpleNamespace(**options), getini=(ini or {}).__getitem__)


@pytest.mark.parametrize(
    ("given", "plugins"),
    [
        (config(), []),
        (config(count=1, reruns=None, retries=None, timeout=5.0, timeout_method=None), []),
        (config(timeout=5.0, timeout_method="signal"), []),
        (config(timeout=5.0, timeout_method="thread"), ["pytest-timeout"]),
        (config({"timeout": "5", "timeout_method": "thread"}), ["pytest-timeout"]),
        (config(timeout_method="thread"), []),
        (config(count=2), ["pytest-repeat"]),
        (config({"reruns": "3"}, reruns=None), ["pytest-rerunfailures"]),
        (config(retries=1, reruns=0), ["pytest-retry"]),
    ],
)
def test_options_without_their_usual_effect_are_named(given: Any, plugins: list[str]) -> None:
    assert [name for name, _ in notes(given)] == plugins


def crash(nodeid: str, when: str = "???") -> Any:
    said = f"worker 'gw0' crashed while running '{nodeid}'"
    return pytest.TestReport(nodeid, ("a", 0, "b"), {}, "failed", said, when)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spec", (ItemKind.SPEC, None, None, None, None)),
        ("scale[golden]", (ItemKind.KERNEL, "scale", "golden", "skill", None)),
        ("scale[mutants]", (ItemKind.MUTANTS, "scale", None, None, None)),
        ("scale[glm-4.7-skill]", (ItemKind.KERNEL, "scale", "glm-4.7", "skill", 1)),
        ("scale[glm-4.7-previous-HEAD-1-2]", (ItemKind.KERNEL, "scale", "glm-4.7", "previous-HEAD-1", 2)),
        ("trigger.scale-it-1f3a2b[glm-4.7]", (ItemKind.TRIGGER, "trigger.scale-it-1f3a2b", "glm-4.7", None, 1)),
        ("trigger.scale-it-1f3a2b[glm-4.7-3]", (ItemKind.TRIGGER, "trigger.scale-it-1f3a2b", "glm-4.7", None, 3)),
        ("scale[glm-4.7-previous-HEAD-2]", (ItemKind.KERNEL, "scale", "glm-4.7", "previous-HEAD", 2)),
    ],
)
def test_a_crashed_item_is_an_infrastructure_error_of_its_student(name: str, expected: tuple[Any, ...]) -> None:
    arms = ["skill", "previous-HEAD", "previous-HEAD-1"]
    outcome = crashed_outcome(crash(f"skills/tiny/SKILL.md::{name}"), ["glm-4.7"], arms)
    assert outcome is not None and outcome.verdict.kind is VerdictKind.INFRASTRUCTURE_ERROR
    assert (outcome.kind, outcome.case, outcome.student, outcome.arm, outcome.trial) == expected
    assert (outcome.skill, outcome.id) == ("tiny", f"skills/tiny/SKILL.md::{name}")
    assert outcome.verdict.reason is not None and outcome.verdict.reason.startswith("worker 'gw0' crashed")


@pytest.mark.parametrize("report", [crash("tests/test_a.py::test_b"), crash("skills/tiny/SKILL.md::spec", "call")])
def test_other_reports_are_left_alone(report: Any) -> None:
    assert crashed_outcome(report, ["glm-4.7"], ["skill"]) is None


def test_a_time_limit_does_not_interrupt_what_is_recorded_after_an_item() -> None:
    def limit(*arguments: object) -> None:
        pytest.fail("Timeout")

    before = signal.signal(signal.SIGALRM, limit)
    try:
        with time_limit_over():
            signal.raise_signal(signal.SIGALRM)
        assert signal.getsignal(signal.SIGALRM) is limit
        with pytest.raises(pytest.fail.Exception, match="Timeout"):
            signal.raise_signal(signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)
