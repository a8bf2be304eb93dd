"""Where an interrupt is raised, where it is sent again later, and what a second one does."""

from __future__ import annotations

import signal
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_upskill.session import interrupts
from pytest_upskill.session.interrupts import Interrupted, Interrupts


class Machine:
    """The clock, the exit and the thread of the handlers under test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.sent_again = 0
        self.session = SimpleNamespace(shouldstop=False, exitstatus=0)
        monkeypatch.setattr(interrupts.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(interrupts._thread, "start_new_thread", self.later)
        monkeypatch.setattr(interrupts.os, "_exit", self.exit)
        monkeypatch.setattr(interrupts.os, "write", lambda descriptor, text: self.written.append(text))
        self.written: list[bytes] = []

    def later(self, *arguments: Any) -> None:
        self.sent_again += 1

    def exit(self, status: int) -> None:
        raise SystemExit(status)

    def handlers(self, phase: str) -> Any:
        plugins = {"session": self.session, "terminalreporter": object()}
        manager = SimpleNamespace(get_plugin=plugins.get, has_plugin=plugins.__contains__)
        made: Any = Interrupts(SimpleNamespace(pluginmanager=manager))  # type: ignore[arg-type]
        made._phase = phase
        return made


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def arrive(handlers: Any, frame: Any = None) -> None:
    handlers._arrived(signal.SIGINT, frame or sys._getframe())


def in_an_import() -> Any:
    scope: dict[str, Any] = {"sys": sys}
    exec(
        compile("def call():\n    return sys._getframe()\nframe = call()", "<frozen importlib._bootstrap>", "exec"),
        scope,
    )
    return scope["frame"]


def in_a_finalizer() -> Any:
    class Finalized:
        def __del__(self) -> None:
            frames.append(sys._getframe())

    frames: list[Any] = []
    Finalized()
    return frames[0]


def test_an_interrupt_is_raised_once(machine: Machine) -> None:
    handlers = machine.handlers("running")
    with pytest.raises(Interrupted, match="complete replies are kept"):
        arrive(handlers)
    assert machine.session.shouldstop
    arrive(handlers)  # a second signal for the same key press


@pytest.mark.parametrize("place", [in_an_import, in_a_finalizer])
def test_where_it_would_be_lost_it_is_sent_again_later(machine: Machine, place: Any) -> None:
    handlers = machine.handlers("running")
    for number in range(1, 4):
        arrive(handlers, place())
        assert machine.sent_again == number
        handlers._sent_again = True
    with pytest.raises(Interrupted):
        arrive(handlers)


def test_an_import_that_does_not_end_is_interrupted_by_a_second_one_or_after_a_while(machine: Machine) -> None:
    first, second = machine.handlers("running"), machine.handlers("running")
    arrive(first, in_an_import())
    with pytest.raises(Interrupted):
        arrive(first, in_an_import())
    arrive(second, in_an_import())
    second._sent_again, machine.now = True, 131.0
    with pytest.raises(Interrupted):
        arrive(second, in_an_import())


def test_an_ending_run_goes_on_without_waits_and_changes_its_status(machine: Machine) -> None:
    handlers = machine.handlers("ending")
    hurried: list[bool] = []
    handlers.hurry = lambda: hurried.append(True)
    arrive(handlers)
    assert hurried
    handlers.pytest_unconfigure()
    assert machine.session.exitstatus == pytest.ExitCode.INTERRUPTED
    assert [text.startswith(b"Interrupted: ") for text in machine.written] == [True]


def test_a_second_interrupt_ends_the_process(machine: Machine) -> None:
    handlers = machine.handlers("ending")
    arrive(handlers)
    machine.now += 0.5
    arrive(handlers)
    machine.now += 1.0
    with pytest.raises(SystemExit, match="2"):
        arrive(handlers)


@pytest.mark.parametrize("phase", ["starting", "over"])
def test_before_and_after_the_session_the_process_ends_at_once(machine: Machine, phase: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        arrive(machine.handlers(phase))
    assert len(machine.written) == 1


def test_a_worker_that_has_ended_leaves_it_to_its_controller(machine: Machine) -> None:
    handlers = machine.handlers("over")
    handlers.is_worker = True
    arrive(handlers)
    assert not machine.written
