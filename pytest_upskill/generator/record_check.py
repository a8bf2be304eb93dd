"""Checks a skill against its record, and its text against its cases: what the linter adds for generated skills."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.provenance import FILE, Provenance, read_provenance
from pytest_upskill.errors import CaseError
from pytest_upskill.generator.leakage import Leakage, skill_text
from pytest_upskill.skills.skill import Problem

FEWEST = 4
"""With fewer proven cases than this, an uneven split is not reported."""


def problems(folder: Path, cases: Sequence[Case]) -> Iterator[tuple[Path, Problem]]:
    """Each problem with the file that it is about: solutions that are given away, and contradictions to the record."""
    leakage = Leakage(skill_text(folder))
    for case in cases:
        if (problem := leakage.problem(case)) is not None:
            yield case.path, Problem("error", problem)
    try:
        record = read_provenance(folder / "evals")
    except CaseError:  # the linter reports it
        return
    if record is not None:
        unread = {path.stem for path in (folder / "evals").glob("*.md")} - {case.name for case in cases}
        for message in _contradictions(record, cases, unread):
            yield folder / "evals" / FILE, Problem("warning", message)


def _contradictions(record: Provenance, cases: Sequence[Case], unread: Collection[str]) -> Iterator[str]:
    """What the record says and the cases contradict. Files in ``unread`` are left out, because they are reported
    already.
    """
    there = {case.name: case for case in cases}
    for name, made in sorted(record.cases.items()):
        if name in unread:
            continue
        if name not in there:
            yield f"the recorded case '{name}' does not exist: restore it, or remove its entry"
        elif there[name].text_hash != made.text_hash:
            yield f"case '{name}' has changed since it was proven: prove it again with 'pytest-upskill check --full'"
    training, held_out = (len(record.names(part)) for part in ("training", "held-out"))
    if training + held_out >= FEWEST and abs(training - held_out) > 1:
        advice = "a change of the skill is decided on held-out cases: balance them with 'upskill-gen add-cases'"
        yield f"{training} cases are in the training part and {held_out} are held out; {advice}"
