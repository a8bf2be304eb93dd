"""Decides which cases may run their Python in the judge's process.

These are the cases that a person wrote, or has accepted on this machine. A case counts as generated if the file
``.upskill-gen.json`` in its folder lists its name, its text or its code. A generated case is untrusted until its code
is accepted. Acceptances are files in the user's state folder, so a skill cannot contain its own acceptance. Their names
are digests of the code, so an acceptance does not apply to a case whose code was edited.
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
"""The version of the digest. It must change when further parts of a case become code."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The cases that the record in a folder lists as generated.

    If the record cannot be read, ``problem`` says why, and all cases of the folder count as generated.
    """

    names: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()
    problem: CaseError | None = None

    def has(self, case: Case) -> bool:
        """Whether a case is listed as generated, by its name, its text or its code."""
        if self.problem is not None or {case.name, case.path.resolve().stem} & self.names:
            return True
        return bool(self.digests) and not self.digests.isdisjoint((case.text_hash, digest_of(case)))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An acceptance as it is stored.

    ``case`` and ``skill`` are the case and the skill for which it was given. ``when`` is the time in UTC.
    """

    digest: str
    skill: str = ""
    case: str = ""
    when: str = ""


def listing_of(evals: Path) -> Listing | None:
    """The record in a folder of cases. None if there is no record. pydantic is imported only if there is one."""
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
    """Whether the case's Python may run in this process. ``listings`` caches the records that were read, by folder."""
    return case.op is None or not is_generated(case, listings) or is_accepted(case)


def is_generated(case: Case, listings: dict[Path, Listing | None] | None = None) -> bool:
    """Whether a record lists the case as generated.

    It is the record in the folder of the case's file or, if this file is a link, in the folder of the link's target.
    """
    known: dict[Path, Listing | None] = {} if listings is None else listings
    folders = [case.path.parent]
    if case.path.is_symlink():
        folders.append(case.path.resolve().parent)
    for folder in folders:
        if folder not in known:
            known[folder] = listing_of(folder)
    return any(found is not None and found.has(case) for found in map(known.get, folders))


def code_of(case: Case) -> tuple[str, ...]:
    """The parts of a case that decide what Python runs: ``op``, the reference and the inputs.

    Nothing else of a case is executed in the judge's process. Sizes, values and examples are data, and a solution runs
    in the same sandbox as replies.
    """
    operator = case.op.text if case.op else ""
    return operator, case.reference.source if case.reference else "", case.inputs.source if case.inputs else ""


def digest_of(case: Case) -> str:
    """The digest (hex) of the case's code, under which the case is accepted.

    It does not depend on the file's name and folder.
    """
    return hashlib.sha256(json.dumps([VERSION, *code_of(case)]).encode()).hexdigest()


def folder() -> Path:
    """The folder in which acceptances are stored."""
    return state_folder() / "accepted"


def is_accepted(case: Case) -> bool:
    """Whether a person has accepted the case's code on this machine.

    True for a text case, because it has no code.
    """
    return case.op is None or (folder() / f"{digest_of(case)}.json").is_file()


def accept(case: Case) -> None:
    """Store that the case's code was accepted. Raises OSError."""
    plain = {"case": case.name, "skill": case.skill, "when": datetime.now(UTC).isoformat(timespec="seconds")}
    write_atomically(folder() / f"{digest_of(case)}.json", json.dumps(plain) + "\n")


def revoke(cases: Iterable[Case]) -> list[Case]:
    """Remove the acceptances of ``cases``. Return the cases that had been accepted. Raises OSError."""
    found = [case for case in cases if case.op is not None and is_accepted(case)]
    for case in found:
        (folder() / f"{digest_of(case)}.json").unlink(missing_ok=True)
    return found


def acceptances() -> Iterator[Acceptance]:
    """All acceptances on this machine, sorted by skill and case. For a damaged file, only the digest is known."""
    yield from sorted(map(_read, folder().glob("*.json")), key=lambda one: (one.skill, one.case, one.digest))


def _read(path: Path) -> Acceptance:
    try:
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError):
        plain = None
    known = plain if isinstance(plain, dict) else {}
    return Acceptance(path.stem, *(str(known.get(key, "")) for key in ("skill", "case", "when")))
