"""Checks the quality of a case, and how many mutants of its solution the case kills. Good results are cached."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.case_quality.result import SOLUTION, CaseQuality, solution_fails
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case
from pytest_upskill.contracts import registry as contracts
from pytest_upskill.devices.base import Machine, identity
from pytest_upskill.languages.base import Executor, Language
from pytest_upskill.records import Answer, Assertion, Build, Call, MutationScore
from pytest_upskill.records.version import VERSION

if TYPE_CHECKING:
    from pytest_upskill.case_quality.mutation_run import Kept
    from pytest_upskill.oracle.prepare import Prepared
    from pytest_upskill.oracle.reference_runner import OpenRunner


class Started(Protocol):
    """A build that was started. ``result`` waits for the build and returns it."""

    def result(self) -> Build: ...


Submit = Callable[[Callable[[], Build]], Started]
"""A function that starts a build in the background."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a self-check. ``score`` is None if the case has no solution that runs and passes."""

    quality: CaseQuality
    score: MutationScore | None
    notes: tuple[str, ...] = ()
    """The advice of ``quality``, and remarks on the case."""


class SelfCheck:
    """Checks each case once. Only the main thread may use it.

    ``timeout`` (s) limits each call of a solution. ``open_runner`` opens the runner of a case's Python. If
    ``open_runner`` is None, a trusted case's Python runs in the current process, and an untrusted case's in a sandbox.
    """

    def __init__(
        self,
        machine: Callable[[Language], Machine],
        timeout: float,
        cache: Cache | None = None,
        open_runner: OpenRunner | None = None,
    ) -> None:
        self._machine = machine
        self._timeout = timeout
        self._cache = cache or Cache()
        self._open_runner = open_runner
        self._known: dict[str, CaseQuality] = {}
        self._builds: dict[str, Started] = {}

    def send_ahead(self, subject: Subject, submit: Submit) -> None:
        """Start the build of a solution whose case has not been checked yet."""
        key = self._key("quality", subject)
        solution = subject.case.solution
        if solution is None or subject.problem or key in self._known or key in self._builds or self._cache.find(key):
            return
        self._builds[key] = submit(lambda: subject.build(solution.source, self._machine(subject.language)))

    def is_known_to_be_good(self, subject: Subject) -> bool:
        """Whether the case was checked before, in this or an earlier run, and passed."""
        key = self._key("quality", subject)
        if subject.problem or key in self._known:
            return not subject.problem and self._known[key].problem is None
        return self._cache.find(key) is not None  # only good cases are kept

    def quality(self, subject: Subject) -> CaseQuality:
        """The quality of a case. If the case was checked before, its quality comes from memory or from the cache.

        Raises CaseError and InfrastructureError.
        """
        if subject.problem:
            return unsolved(subject.problem)
        key = self._key("quality", subject)
        if key not in self._known:
            kept = self._cache.find(key)
            self._known[key] = _quality_from(kept.facts) if kept else self._checked_once(key, subject)
        return self._known[key]

    def _checked_once(self, key: str, subject: Subject) -> CaseQuality:
        """Check a case while other processes that need the same result wait for it.

        The solution is built before the lock is taken, because the build takes a lock, too, and locks must not nest.
        """
        build = self._built(key, subject)
        found: list[CaseQuality] = []

        def make(_: Path) -> Made:
            found.append(self._explored(subject, build, None))
            return _made(found[0])

        entry = self._cache.get(key, make)
        return found[0] if found else _quality_from(entry.facts)

    def _built(self, key: str, subject: Subject) -> Build | None:
        if subject.case.solution is None:
            return None
        if (sent := self._builds.pop(key, None)) is not None:
            return sent.result()
        return subject.build(subject.case.solution.source, self._machine(subject.language))

    def _explored(self, subject: Subject, build: Build | None, recorder: Recorder | None) -> CaseQuality:
        from pytest_upskill.case_quality.quality import check

        machine, runners = self._machine(subject.language), self._runners(subject.language)
        if build is None or build.needs:
            return check(subject, None, None, machine.largest, open_runner=runners)
        if build.library is None:
            first = next((line for line in build.message.splitlines() if "error" in line), build.message)
            return CaseQuality((Assertion(SOLUTION, False, f"its own solution does not compile: {first.strip()}"),))
        if failed := next((one for one in build.assertions if not one.passed), None):
            return unsolved(failed)
        with subject.execute(build, machine, self._timeout) as executor:
            recorder = recorder or Recorder("")
            recorder.executor = executor
            quality = check(subject, recorder.run, executor.repeat, machine.largest, recorder.see, runners)
            if quality.problem is not None:
                return quality
            gradients = self._gradients(subject, executor) if subject.case.gradients else ()
            broken = [Assertion("contract", False, one) for one in (*build.violations, *executor.violations())]
            checked = (*broken, *executor.assertions(), *gradients)
            failed = next((one for one in checked if not one.passed), None)
            return unsolved(failed) if failed else quality

    def _gradients(self, subject: Subject, executor: Executor) -> Sequence[Assertion]:
        from pytest_upskill.case_quality.quality import case_seed
        from pytest_upskill.oracle.gradients import judged

        case = subject.case
        contract = contracts.find(case.contract)
        assert contract is not None
        runners = self._runners(subject.language)
        return (judged(case, subject.layout, contract.signature, executor, runners, case_seed(case)),)

    def whole(self, subject: Subject) -> Checked:
        """The quality of a case, and the score of its solution's mutants. Raises the same errors as ``quality``."""
        from pytest_upskill.case_quality.mutation_run import MutationRun

        remarks = _notes(subject.case)
        if subject.problem:
            return Checked(unsolved(subject.problem), None, remarks)
        key, score_key = self._key("quality", subject), self._key("score", subject)
        kept, scored = self._cache.find(key), self._cache.find(score_key)
        if kept and scored:
            score, quality = json.loads(scored.facts.data), _quality_from(kept.facts)
            found = MutationScore.from_plain(score) if score else None
            return Checked(quality, found, (*quality.advice, *remarks))
        build = self._built(key, subject)
        recorder = Recorder(subject.case.dtypes[0])
        quality = self._known[key] = self._explored(subject, build, recorder)
        if needs := quality.not_run or (build.needs if build else ""):
            return Checked(quality, None, (f"its solution is not run here: {needs}", *quality.advice, *remarks))
        score_found = None
        if quality.problem is None and build is not None and build.library is not None:
            machine, runners = self._machine(subject.language), self._runners(subject.language)
            run = MutationRun(subject, machine, recorder.kept, self._timeout, runners)
            score_found = run.score(build)
        if quality.problem is None:
            self._cache.get(key, lambda _: _made(quality))
            plain = json.dumps(score_found and dataclasses.asdict(score_found))
            self._cache.get(score_key, lambda _: Made(Facts(data=plain)))
        return Checked(quality, score_found, (*quality.advice, *remarks))

    def _runners(self, language: Language) -> OpenRunner:
        from pytest_upskill.oracle.reference_runner import by_trust

        return self._open_runner or by_trust(lambda: self._machine(language).confinement)

    def _key(self, what: str, subject: Subject) -> str:
        import torch

        case, versions = subject.case, (VERSION, torch.__version__, code_digest())
        kept = (case.name, case.text_hash, f"{self._timeout:g}", subject.language.identity())
        return key_of("self-check", what, *kept, *versions, *identity(self._machine(subject.language)))


class Recorder:
    """Records the examples of one dtype, and the solution's results on them."""

    executor: Executor

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._latest: Prepared | None = None
        self.kept: list[Kept] = []

    def see(self, prepared: Prepared) -> None:
        self._latest = prepared if prepared.example.dtype == self._dtype else None

    def run(self, call: Call) -> Answer:
        from pytest_upskill.case_quality.mutation_run import Kept

        answer = self.executor.call(call)
        if self._latest is not None and call is self._latest.call and answer.ran:
            self.kept.append(Kept.of(self._latest, answer))
        return answer


def unsolved(failed: Assertion) -> CaseQuality:
    """The quality of a case whose own solution fails an assertion that every kernel must pass."""
    return CaseQuality((solution_fails(failed.name, failed.message),))


def _made(quality: CaseQuality) -> Made:
    """The cache entry of a result.

    Only good results are kept. A failure may have a cause in this run, so the next run checks the case again.
    """
    return Made(Facts(data=json.dumps(dataclasses.asdict(quality))), keep=quality.problem is None)


def _quality_from(facts: Facts) -> CaseQuality:
    data = json.loads(facts.data)
    assertions = tuple(Assertion(**one) for one in data["assertions"])
    return CaseQuality(assertions, data["inconclusive"], tuple(data["more"]), tuple(data["advice"]))


def _notes(case: Case) -> tuple[str, ...]:
    """A note on keys of the case that this package accepts but does not use yet."""
    keys = [f"'{key}'" for key, value in (("speed", case.speed), ("at_least", case.at_least)) if value]
    return (f"not checked yet: {' and '.join(keys)}, since kernels are not timed",) if keys else ()


PACKAGE = Path(__file__).resolve().parents[1]
_IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+pytest_upskill\.(\w+)", re.MULTILINE)


@functools.cache
def code_digest(package: Path = PACKAGE) -> str:
    """A digest of all files that ``code_files`` finds."""
    files = [(str(file.relative_to(package)), file.read_bytes()) for file in code_files(package)]
    return key_of(*(part for file in files for part in file))


def code_files(package: Path = PACKAGE) -> list[Path]:
    """All files of ``case_quality``, and of all packages and modules that it imports, directly or indirectly.

    All files of a package count, because languages are imported by name, workers are started as programs, and native
    sources are compiled.
    """
    found: dict[str, list[Path]] = {}
    waiting = {"case_quality"}
    while waiting:
        name = waiting.pop()
        files = (package / name).rglob("*") if (package / name).is_dir() else [package / f"{name}.py"]
        found[name] = [file for file in files if file.is_file() and file.suffix != ".pyc"]
        imported = (_IMPORT.findall(file.read_bytes()) for file in found[name] if file.suffix == ".py")
        waiting |= {name.decode() for names in imported for name in names} - found.keys()
    return sorted(file for files in found.values() for file in files)
