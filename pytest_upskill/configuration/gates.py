"""The gates of a run, from options, ini values and ``[tool.upskill.gates.<skill>]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_upskill.configuration import values
from pytest_upskill.configuration.settings import tables
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import UsageError
from pytest_upskill.records.gating import Gate, GateKind, Gates

GATE_NAMES = tuple(kind.key for kind in GateKind)
"""The settings that ``read_gates`` reads."""
_THRESHOLDS: Mapping[GateKind, Callable[[str], float]] = {
    GateKind.MIN_PASS_RATE: values.rate,
    GateKind.MIN_LIFT: values.lift,
    GateKind.MAX_COST: values.usd,
}


def read_gates(
    found: Mapping[str, Any], how: str, pyproject: Path, typed: frozenset[str], until_decided: bool
) -> Gates:
    """Return the gates of a run. Gates on the command line (``typed``) replace the gates of skills. Raises UsageError.

    ``found`` has the values of options and ini values. ``how`` is the value of ``--upskill-gate``.
    """
    common = [_gate(kind, found[kind.key]) for kind in GateKind if found[kind.key] is not None]
    flags = {kind for kind in GateKind if f"--upskill-{kind}" in typed}
    own = {
        skill: tuple(gate for gate in _own(skill, table, pyproject) if gate.kind not in flags)
        for skill, table in tables(pyproject, "gates", "skill").items()
    }
    in_files = any(own.values()) or any(gate.kind not in flags for gate in common)
    if how == "off":
        return Gates(in_files=in_files)
    return Gates(tuple(common), {skill: gates for skill, gates in own.items() if gates}, how == "interval",
                 until_decided, in_files)  # fmt: skip


def _gate(kind: GateKind, value: Any) -> Gate:
    return Gate(kind, run=value) if kind is GateKind.NO_REGRESSION else Gate(kind, value)


def _own(skill: str, table: Mapping[str, Any], pyproject: Path) -> Iterator[Gate]:
    where = f"{pyproject}: [tool.upskill.gates.{skill}]"
    if not table:
        raise UsageError(f"{where} is empty; add one of {', '.join(GATE_NAMES)}, or remove it")
    for key, value in table.items():
        if key not in GATE_NAMES:
            raise UsageError(f"{where} has no '{key}'{suggest(key, GATE_NAMES)}")
        kind = next(kind for kind in GateKind if kind.key == key)
        if kind is GateKind.NO_REGRESSION:
            if value is not False:  # true means the run that the option stands for if it has no value
                yield Gate(kind, run="last" if value is True else _parsed(values.compared_run, value, where, key))
        else:
            yield Gate(kind, _parsed(_THRESHOLDS[kind], value, where, key))


def _parsed(parse: Callable[[str], Any], value: Any, where: str, key: str) -> Any:
    try:
        if isinstance(value, bool | list | dict):
            raise ValueError(f"{value!r} is neither a number nor a text")
        return parse(str(value))
    except ValueError as error:
        raise UsageError(f"{where}: {key}: {error}") from None
