"""What a backend offers: it judges requests in this process, in worker processes, or elsewhere."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from pytest_upskill.judging.request import JudgeRequest
from pytest_upskill.judging.result import JudgeResult


class Backend(Protocol):
    """Caches (builds, golden results) are the backend's own, and keyed by content."""

    def submit(self, request: JudgeRequest) -> Future[JudgeResult]:
        """The result, now or later. May start to build at once; what goes wrong is in the result."""

    def close(self) -> None:
        """Gives up what was submitted and has no result yet."""
