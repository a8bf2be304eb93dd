"""A short run of every target on fixed inputs; ``make fuzz`` runs longer, on new ones."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.targets import TARGETS, Target, guarded


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_but_its_own_errors_comes_out_of(target: Target) -> None:
    @settings(max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def run(drawn: object) -> None:
        with guarded():
            target.check(drawn)

    run()


def test_a_check_that_does_not_come_back_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.targets.SECONDS", 0.01)
    with pytest.raises(TimeoutError, match="no end within"), guarded():
        while time.monotonic() > 0:
            pass
