"""Which tests share a worker, and what happens when a worker crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TWO_WORKERS = ("-p", "xdist", "-n", "2", "-p", "no:cacheprovider")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester._monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(
        f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})

        def pytest_xdist_make_scheduler(config, log):
            from tests.scheduling import GroupScheduling
            return GroupScheduling(config, log)
        """
    )
    return pytester


def test_a_worker_that_crashes_costs_one_test_and_the_run_ends(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import os, pytest

        @pytest.mark.parametrize("number", range(40))
        def test_number(number):
            if number == 20:
                os._exit(3)
        """
    )
    result = suite.runpytest_subprocess(*TWO_WORKERS, timeout=120)
    result.assert_outcomes(passed=39, failed=1)
    result.stdout.fnmatch_lines(["*worker 'gw?' crashed while running *test_number?20?*"])


def test_a_group_stays_on_one_worker(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import os, pytest

        @pytest.mark.parametrize("number", range(8), ids=lambda number: f"{number}@together")
        def test_number(number, worker_id):
            seen = os.path.join(os.environ["SEEN"], worker_id)
            open(seen, "a").close()
        """
    )
    seen = suite.mkdir("seen")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEN", str(seen))
        suite.runpytest_subprocess(*TWO_WORKERS, timeout=120).assert_outcomes(passed=8)
    assert len(list(seen.iterdir())) == 1
