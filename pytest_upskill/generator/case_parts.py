"""Which cases of a skill are for training, and which are held out from the teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.provenance import Provenance, read_provenance
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import UsageError


def parts_of(cases: Sequence[Case], named: Sequence[str] = ()) -> tuple[list[Case], list[Case]]:
    """The training cases and the held-out cases. If ``named`` is not empty, the cases that it names are held out;
    otherwise the record in each case's folder decides.

    Without a record the hash of a case's name decides, so adding cases does not change the part of another case. A case
    that its record does not list is for training. Raises UsageError if ``named`` contains a name that is not a case,
    and CaseError if a record cannot be read.
    """
    known = [case.name for case in cases]
    for name in named:
        if name not in known:
            raise UsageError(f"--held-out: the skill has no case '{name}'{suggest(name, known)}")
    records = {folder: read_provenance(folder) for folder in {case.path.parent for case in cases}}
    held_out = set(named) or {case.name for case in cases if _is_held_out(case.name, records[case.path.parent])}
    return [case for case in cases if case.name not in held_out], [case for case in cases if case.name in held_out]


def _is_held_out(name: str, record: Provenance | None) -> bool:
    if record is not None and record.cases:
        return name in record.cases and record.cases[name].part == "held-out"
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1
