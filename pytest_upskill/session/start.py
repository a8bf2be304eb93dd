"""Starts a run: reads the settings, then registers the hooks of this process.

``ItemHooks`` collect items and run them, ``Controller`` reports. Under xdist, the workers have ``ItemHooks`` and the
controller has ``Controller``. Without xdist, one process has both.
"""

import os
import secrets
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from pytest_upskill.contracts import registry as contracts
from pytest_upskill.contracts.base import Contract
from pytest_upskill.errors import InfrastructureError, UsageError
from pytest_upskill.history.selection import check_compared
from pytest_upskill.languages import registry as languages
from pytest_upskill.languages.base import Language
from pytest_upskill.session import exporting, options, progress, usage
from pytest_upskill.session.agent_folders import AgentFolders
from pytest_upskill.session.controller import Controller
from pytest_upskill.session.interrupts import Interrupts
from pytest_upskill.session.item_hooks import ItemHooks
from pytest_upskill.session.run import Run

_ASKING = frozenset({"--upskill", "--upskill-student", "--upskill-prompts"})
"""The flags with which a user requests that skills are collected."""


def start(config: pytest.Config) -> None:
    """Read the settings and register this process's hooks. Raises pytest.UsageError on a wrong value."""
    interrupts = Interrupts.of(config)
    given = getattr(config, "workerinput", {}).get("upskill")
    try:
        _register(config.hook.pytest_upskill_language(), languages.register, "pytest_upskill_language", Language)
        _register(config.hook.pytest_upskill_contract(), contracts.register, "pytest_upskill_contract", Contract)
        settings = options.read(config)
        if given is not None:
            run = Run(settings, hook=config.hook, speaks=os.environ.get("PYTEST_XDIST_WORKER") == "gw0", **given)
        else:
            seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed  # short enough to type
            teller = progress.Teller(config)
            run = Run(settings, seed, config.hook, explicit=bool(settings.typed & _ASKING), tell=teller.tell)
            _start_controller(run, config)
            config.pluginmanager.register(progress.WaitSide(run, teller), "upskill-waits")
        interrupts.started(given is not None, run.hurry)
        config.pluginmanager.register(ItemHooks(run, is_worker=given is not None), "upskill-items")
        config.pluginmanager.register(AgentFolders(config, run.speaks), "upskill-folders")
    except (UsageError, InfrastructureError) as error:
        raise pytest.UsageError(str(error)) from None


def _start_controller(run: Run, config: pytest.Config) -> None:
    """Check everything that could fail before the first item, and register the hooks that report."""
    if (problem := usage.ineffective(run.settings, list(run.models.values()))) is not None:
        raise UsageError(problem)
    for name in run.configs:
        run.student(name)
    for target in run.settings.reports:
        target.check()
    if run.settings.export is not None:
        exporting.check(run.settings.export)
    if not run.settings.prompts:
        _ = run.machine
    if run.asks and not config.option.collectonly:
        run.ledger.tidy()
    if not config.option.collectonly:
        for named in (run.settings.compare, *run.settings.gates.runs):
            check_compared(run.settings.rootdir, named)
    config.pluginmanager.register(Controller(run, config), "upskill-controller")
    progress.start(run, config)


def _register(answers: Iterable[Any], add: Callable[[Any], None], hook: str, protocol: type) -> None:
    """Register the objects that plugins add. Raise UsageError for an object that lacks a part of the protocol."""
    needed = sorted(name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_"))
    # pluggy returns the answer of the last registered plugin first; in reverse order, it replaces the others.
    for answer in reversed(list(answers)):
        for one in answer if isinstance(answer, list | tuple) else (answer,):
            missing = next((name for name in needed if isinstance(one, type) or not hasattr(one, name)), None)
            if missing is not None:
                kind = f"the class {one.__name__}" if isinstance(one, type) else f"a {type(one).__name__}"
                raise UsageError(f"{hook} returned {kind} without '{missing}'; return an object that has it")
            add(one)
