"""Our own tests: ``pytester`` runs pytest inside a test. The plugin itself is loaded by its entry point."""

import os

import pytest

from pytest_upskill.paths import cache_folder

pytest_plugins = ["pytester"]

# pytester gives each test a home of its own: without this, each would build the device's runtime again.
os.environ["UPSKILL_CACHE_DIR"] = str(cache_folder())


SAMPLE = "not full"


def pytest_report_header(config: pytest.Config) -> str | None:
    """Says that the run is a sample, where it is."""
    if config.option.markexpr == SAMPLE:
        return "a fixed sample: tests that are marked 'full' are deselected; make test-all runs them"
    return None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Not ``--dist=loadgroup``: pytest-xdist 3.8 does not see the groups with pytest 9.2."""
    from tests.scheduling import GroupScheduling

    return GroupScheduling(config, log) if config.option.dist == "load" else None
