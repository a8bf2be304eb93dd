"""The self-check of a case: is it worth asking, and how many changes of its own solution does it notice?

Puts the oracle, the machine and the cache together; knows no students and no items. What is needed for the verdict is
kept in the user's cache, by the case, the versions and the device, so that later runs pay nothing for it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_upskill
from pytest_upskill.build.build_pool import BuildPool, Job
from pytest_upskill.build.cache import Cache, Made, key_of
from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.launcher.signature import Signature
from pytest_upskill.languages.cuda.cpu_build import native_hash
from pytest_upskill.records import Answer, Assertion, Build, Call, MutationScore

if TYPE_CHECKING:
    from pytest_upskill.case_quality.kill_check import Kept
    from pytest_upskill.case_quality.quality import CaseQuality
    from pytest_upskill.devices.base import Machine
    from pytest_upskill.oracle.prepare import Prepared
    from pytest_upskill.sandbox.client import Sandbox

_JUDGE = ("case_quality", "oracle", "sandbox", "contracts", "languages", "cases", "documents")
"""The packages whose changes may change a result that was kept."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that is known of a case. ``score`` is None without a solution that runs and passes."""

    quality: CaseQuality
    score: MutationScore | None
    notes: tuple[str, ...] = ()


class SelfCheck:
    """Checks cases, each once. Belongs to the main thread, but for the builds that it sends ahead.

    ``timeout`` (s) is for each call of a solution.
    """

    def __init__(self, machine: Callable[[], Machine], timeout: float, cache: Cache | None = None) -> None:
        self._machine = machine
        self._timeout = timeout
        self._cache = cache or Cache()
        self._known: dict[str, CaseQuality] = {}
        self._builds: dict[str, Job[Build]] = {}

    def send_ahead(self, case: Case, signature: Signature, pool: BuildPool) -> None:
        """Sets the build of a solution on its way, where its case has yet to be checked."""
        key = self._key("worth", case)
        if case.solution is None or key in self._known or key in self._builds or self._cache.find(key):
            return
        source = case.solution.source
        self._builds[key] = pool.begin(lambda: self._machine().build(source, signature, checked=False))

    def is_known_to_be_good(self, case: Case) -> bool:
        """Whether the case was checked before, here or in an earlier run, and is worth asking."""
        key = self._key("worth", case)
        if key in self._known:
            return self._known[key].problem is None
        return self._cache.find(key) is not None  # only good cases are kept

    def quality(self, case: Case, signature: Signature) -> CaseQuality:
        """Whether the case is worth asking; from memory or from the cache, where it was checked before.

        Raises CaseError where it cannot be checked, InfrastructureError where nothing can be compiled or run.
        """
        key = self._key("worth", case)
        if key not in self._known:
            kept = self._cache.find(key)
            self._known[key] = _quality_from(kept.facts) if kept else self._checked_once(key, case, signature)
        return self._known[key]

    def _checked_once(self, key: str, case: Case, signature: Signature) -> CaseQuality:
        """Builds first: the cache's locks must not nest. Other processes wait for the first one's result."""
        build = self._built(key, case, signature)
        found: list[CaseQuality] = []

        def make(_: Path) -> Made:
            found.append(self._explored(case, signature, build, None))
            return _made(found[0])

        entry = self._cache.get(key, make)
        return found[0] if found else _quality_from(entry.facts)

    def _built(self, key: str, case: Case, signature: Signature) -> Build | None:
        if case.solution is None:
            return None
        sent = self._builds.pop(key, None)
        if sent is not None:
            return sent.result()
        return self._machine().build(case.solution.source, signature, checked=False)

    def _explored(
        self, case: Case, signature: Signature, build: Build | None, recorder: Recorder | None
    ) -> CaseQuality:
        from pytest_upskill.case_quality.quality import SOLUTION, CaseQuality, check

        machine = self._machine()
        if build is None or build.needs:
            return check(case, signature, None, None, machine.largest)
        if build.library is None:
            first = next((line for line in build.message.splitlines() if "error" in line), build.message)
            return CaseQuality((Assertion(SOLUTION, False, f"its own solution does not compile: {first.strip()}"),))
        with machine.sandbox(build.library, signature, self._timeout) as sandbox:
            recorder = recorder or Recorder("")
            recorder.sandbox = sandbox
            return check(case, signature, recorder.run, sandbox.repeat, machine.largest, recorder.see)

    def whole(self, case: Case, signature: Signature) -> Checked:
        """The worth of a case, and the score of its solution's mechanical mutants. Raises as ``worth`` does."""
        from pytest_upskill.case_quality.mutation_run import MutationRun

        key, score_key = self._key("worth", case), self._key("score", case)
        kept, scored = self._cache.find(key), self._cache.find(score_key)
        if kept and scored:
            score = json.loads(scored.facts["score"])
            return Checked(_quality_from(kept.facts), MutationScore.from_plain(score) if score else None)
        build = self._built(key, case, signature)
        recorder = Recorder(case.dtypes[0])
        quality = self._known[key] = self._explored(case, signature, build, recorder)
        if build is not None and build.needs:
            return Checked(quality, None, (f"its solution is not run here: {build.needs}",))
        score_found = None
        if quality.problem is None and build is not None and build.library is not None:
            score_found = MutationRun(case, signature, self._machine(), recorder.kept, recorder.slowest).score(
                build.library
            )
        if quality.problem is None:
            self._cache.get(key, lambda _: _made(quality))
            plain = json.dumps(score_found and dataclasses.asdict(score_found))
            self._cache.get(score_key, lambda _: Made({"score": plain}))
        return Checked(quality, score_found)

    def _key(self, what: str, case: Case) -> str:
        return key_of("self-check", what, case.name, case.text_hash, f"{self._timeout:g}", *self._identity)

    @functools.cached_property
    def _identity(self) -> tuple[str, ...]:
        import torch

        machine = self._machine()
        facts = json.dumps(dict(machine.facts()), sort_keys=True, default=str)
        return (pytest_upskill.__version__, torch.__version__, machine.device, facts, _judge_hash(), native_hash())


class Recorder:
    """Keeps the examples of one dtype, the bytes that the solution gave, and how long its slowest call took (s)."""

    sandbox: Sandbox

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._latest: Prepared | None = None
        self.kept: list[Kept] = []
        self.slowest = 0.0

    def see(self, prepared: Prepared) -> None:
        self._latest = prepared if prepared.example.dtype == self._dtype else None

    def run(self, call: Call) -> Answer:
        from pytest_upskill.case_quality.kill_check import Kept

        answer = self.sandbox.call(call)
        if self._latest is not None and call is self._latest.call and answer.ran:
            self.kept.append(Kept(self._latest, {name: bytes(data) for name, data in answer.outputs.items()}))
            self.slowest = max(self.slowest, answer.seconds)
        return answer


def _made(quality: CaseQuality) -> Made:
    """Only a good case is kept: of a bad one, the reason may lie in this very run, and the next one looks again."""
    assertions = json.dumps([dataclasses.asdict(one) for one in quality.assertions])
    return Made({"assertions": assertions}, keep=quality.problem is None)


def _quality_from(facts: Mapping[str, str]) -> CaseQuality:
    from pytest_upskill.case_quality.quality import CaseQuality

    return CaseQuality(tuple(Assertion(**one) for one in json.loads(facts["assertions"])))


@functools.cache
def _judge_hash() -> str:
    package = Path(__file__).resolve().parents[1]
    files = [file for name in _JUDGE for file in sorted((package / name).rglob("*.py"))]
    return key_of(*(file.read_bytes() for file in files))
