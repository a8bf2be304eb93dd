"""The entry point that pytest loads. If none of our options is used, it only registers them, and imports nothing
else.
"""

from __future__ import annotations

import sys

import pytest

from pytest_upskill.errors import UsageError
from pytest_upskill.session import options


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_upskill import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    given = early_config.known_args_namespace
    if options.requested(early_config, given) and not given.help and sys.platform == "linux":
        from pytest_upskill.session.interrupts import Interrupts

        Interrupts.of(early_config)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "upskill(skill, case, student, arm, trial): on every item of a skill; select with -m \"upskill(arm='skill')\"",
    )
    try:
        options.check_ini(config)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    if options.requested(config) and not config.option.help:
        if sys.platform != "linux":
            raise pytest.UsageError(
                f"pytest-upskill runs skills on Linux only, and this is {sys.platform}: use a Linux machine, a "
                "container, or WSL 2; without --upskill options and ini values the plugin does nothing"
            )
        from pytest_upskill.session.plain_imports import plain_imports

        with plain_imports(config):
            from pytest_upskill.session.start import start
        start(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin("upskill-items"):
        from pytest_upskill.session.hint import tell_of_skills

        tell_of_skills(terminalreporter, config)
