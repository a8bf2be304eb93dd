"""Starts a run: reads the settings, then registers the hooks of this process.

``ItemHooks`` collect items and run them, ``Controller`` reports. Under xdist workers have the first and the controller
the second; without it, one process has both.
"""

from __future__ import annotations

import pytest

from pytest_upskill.configuration.report_paths import check_writable
from pytest_upskill.errors import InfrastructureError, UsageError
from pytest_upskill.execution.seeds import draw_seed
from pytest_upskill.session import adapters, options, progress
from pytest_upskill.session.controller import Controller
from pytest_upskill.session.item_hooks import ItemHooks
from pytest_upskill.session.run import Run


def start(config: pytest.Config) -> None:
    """Reads the settings and registers this process's hooks. Raises pytest.UsageError on a wrong value."""
    given = getattr(config, "workerinput", {}).get("upskill")
    try:
        adapters.register(config.hook)
        settings = options.read(config)
        if given is not None:
            run = Run(settings, hook=config.hook, **given)
        else:
            seed = draw_seed() if settings.seed is None else settings.seed
            run = Run(settings, seed, config.hook, tell=progress.Teller(config).tell)
            _start_controller(run, config)
        config.pluginmanager.register(ItemHooks(run, is_worker=given is not None), "upskill-items")
    except (UsageError, InfrastructureError) as error:
        raise pytest.UsageError(str(error)) from None


def _start_controller(run: Run, config: pytest.Config) -> None:
    """Checks everything that could fail before the first item, and registers the hooks that report."""
    for name in run.student_names:
        run.student(name)
    for path in run.settings.reports:
        check_writable(path)
    if not run.settings.prompts:
        _ = run.machine
    if run.asks and not config.option.collectonly:
        run.ledger.tidy()
    config.pluginmanager.register(Controller(run, config), "upskill-controller")
    progress.start(run, config)
