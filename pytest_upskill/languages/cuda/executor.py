"""A built CUDA kernel in its sandbox: calls, and what its launcher was seen to do. See ``languages.base.Executor``."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_upskill.records import Answer, Assertion, Call, LaunchStatistics
from pytest_upskill.sandbox.client import Sandbox


class CudaExecutor:
    """Owns the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    @property
    def launch_statistics(self) -> LaunchStatistics:
        return self._sandbox.launch_statistics

    def call(self, call: Call) -> Answer:
        return self._sandbox.call(call)

    def repeat(self, call: Call, time: int) -> Answer:
        return self._sandbox.repeat(call, time)

    def violations(self) -> Sequence[str]:
        """Evidence and no proof: a kernel could tamper with its own process, and then gains a result that is judged
        like any other.
        """
        seen = self._sandbox.launch_statistics
        found = []
        if seen.calls and not seen.launches:
            found.append(
                f"no kernel was launched in {seen.calls} calls that had something to compute: define a __global__ "
                "function and launch it on the stream"
            )
        if seen.copied_back:
            found.append(
                f"the launcher copied {seen.copied_back} bytes of device memory to the host in one call; results are "
                "computed on the device, without synchronising: leave them there"
            )
        return found

    def assertions(self) -> Sequence[Assertion]:
        return ()

    def __enter__(self) -> CudaExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        self._sandbox.close()
