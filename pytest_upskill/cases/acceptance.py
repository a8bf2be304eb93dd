"""Which cases may run their Python in the judge's process: those that a person wrote, or has accepted on this machine.

A case is generated if ``.upskill-gen.json`` beside it lists it: by its name, by the text that was proven, or by its
code. A generated case is untrusted until its code was accepted. Acceptances are files in the user's state folder, named
by the digest of the code: a skill cannot ship them, and an edited case has another digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from os.path import lexists
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import CaseError
from pytest_upskill.paths import GENERATED, state_folder, write_atomically

VERSION = 1
"""The version of the digest: it changes when other parts of a case become code."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a folder's record lists as generated. With a ``problem`` it cannot be read, and every case counts."""

    names: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()
    problem: CaseError | None = None

    def has(self, case: Case) -> bool:
        """Whether a case is generated. A file that was renamed is known by its text, or by its code if that changed."""
        if self.problem is not None or {case.name, case.path.resolve().stem} & self.names:
            return True
        return bool(self.digests) and not self.digests.isdisjoint((case.text_hash, digest_of(case)))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One acceptance as it is stored. ``case`` and ``skill`` are those for which it was given; ``when`` is in UTC."""

    digest: str
    skill: str = ""
    case: str = ""
    when: str = ""


def listing_of(evals: Path) -> Listing | None:
    """The record in a folder of cases; None if there is none. pydantic is imported only where one is read."""
    path = evals / GENERATED
    if not lexists(path):
        return None
    from pytest_upskill.cases.provenance import read_provenance

    try:
        found = read_provenance(evals)
    except CaseError as error:
        return Listing(problem=error)
    if found is None:
        return Listing(problem=CaseError(f"{GENERATED} is a link to a file that does not exist: remove it", path))
    digests = (digest for one in found.cases.values() for digest in (one.text_hash, one.code))
    return Listing(frozenset(found.cases), frozenset(filter(None, digests)))


def is_trusted(case: Case, listings: dict[Path, Listing | None] | None = None) -> bool:
    """Whether the case's Python may run in this process. ``listings`` keeps what was read, by folder."""
    return case.op is None or not is_generated(case, listings) or is_accepted(case)


def is_generated(case: Case, listings: dict[Path, Listing | None] | None = None) -> bool:
    """Whether the record beside the case's file, or beside the file that it is a link to, lists the case."""
    known: dict[Path, Listing | None] = {} if listings is None else listings
    folders = [case.path.parent]
    if case.path.is_symlink():
        folders.append(case.path.resolve().parent)
    for folder in folders:
        if folder not in known:
            known[folder] = listing_of(folder)
    return any(found is not None and found.has(case) for found in map(known.get, folders))


def code_of(case: Case) -> tuple[str, ...]:
    """The parts of a case that decide what Python runs: ``op``, the reference and the inputs. Nothing else of a case
    is executed in the judge's process: sizes, values and examples are data, and a solution runs in the sandbox of
    replies.
    """
    operator = case.op.text if case.op else ""
    return operator, case.reference.source if case.reference else "", case.inputs.source if case.inputs else ""


def digest_of(case: Case) -> str:
    """The digest (hex) of the case's code, by which it is accepted. The file's name and folder do not count."""
    return hashlib.sha256(json.dumps([VERSION, *code_of(case)]).encode()).hexdigest()


def folder() -> Path:
    """Where the acceptances are stored."""
    return state_folder() / "accepted"


def is_accepted(case: Case) -> bool:
    """Whether a person has accepted the case's code on this machine. A text case has none and needs no acceptance."""
    return case.op is None or (folder() / f"{digest_of(case)}.json").is_file()


def accept(case: Case) -> None:
    """Store that the case's code was accepted. Raises OSError."""
    plain = {"case": case.name, "skill": case.skill, "when": datetime.now(UTC).isoformat(timespec="seconds")}
    write_atomically(folder() / f"{digest_of(case)}.json", json.dumps(plain) + "\n")


def revoke(cases: Iterable[Case]) -> list[Case]:
    """Remove the acceptance of cases; returns those that had one. Raises OSError."""
    found = [case for case in cases if case.op is not None and is_accepted(case)]
    for case in found:
        (folder() / f"{digest_of(case)}.json").unlink(missing_ok=True)
    return found


def acceptances() -> Iterator[Acceptance]:
    """All acceptances on this machine, by skill and case; of a damaged file only the digest is known."""
    yield from sorted(map(_read, folder().glob("*.json")), key=lambda one: (one.skill, one.case, one.digest))


def _read(path: Path) -> Acceptance:
    try:
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError):
        plain = None
    known = plain if isinstance(plain, dict) else {}
    return Acceptance(path.stem, *(str(known.get(key, "")) for key in ("skill", "case", "when")))
