"""Which tests share a worker of pytest-xdist, so that what they share is made once.

A group is named at the end of a test's parameters, as in ``test_x[name@group]``; the modules below are a group each,
since all of their tests use one expensive fixture of the module. Every other test goes to the next free worker.
"""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

MODULES = frozenset(
    (
        "tests/integration/test_html_report.py",
        "tests/test_wheel.py",
        "tests/unit/test_native_bugs.py",
        "tests/unit/test_judging.py",
        "tests/unit/test_native_silence.py",
    )
)
_GROUP = re.compile(r"@([\w-]+)\]$")


class GroupScheduling(LoadScopeScheduling):
    """Large groups first, then the other tests, one by one."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        group = _GROUP.search(nodeid)
        return group[1] if group else module if module in MODULES else nodeid

    def remove_node(self, node: WorkerController) -> str | None:
        """Give back what a worker had left, without the test that crashed it; returns that test.

        xdist's own method also gives back what is done: workers that are then sent no test wait for one for ever.
        """
        work = self.assigned_work[node]
        crashed = next((test for unit in work.values() for test, done in unit.items() if not done), None)
        for scope, unit in list(work.items()):
            if crashed in unit:
                unit[crashed] = True
            if all(unit.values()):
                del work[scope]
        super().remove_node(node)
        return crashed
