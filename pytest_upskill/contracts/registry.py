"""The contracts by name: our own, imported when they are first needed, and those that plugins registered."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from pytest_upskill.contracts.base import Contract

_OWN: Mapping[str, str] = {
    "launcher": "launcher.contract:LauncherContract",
    "function": "function.contract:FunctionContract",
}
"""Where each is: ``module:class`` in this package."""

_known: dict[str, Contract] = {}


def register(contract: Contract) -> None:
    """Makes a contract known in this process. One of the same name takes the place of an earlier one."""
    _known[contract.name] = contract


def names() -> tuple[str, ...]:
    """All contracts that can be found."""
    return tuple(dict.fromkeys((*_OWN, *_known)))


def find(name: str) -> Contract | None:
    """The contract of that name; None where there is none."""
    if name not in _known and name in _OWN:
        module, _, kind = _OWN[name].partition(":")
        _known[name] = getattr(importlib.import_module(f"pytest_upskill.contracts.{module}"), kind)()
    return _known.get(name)
