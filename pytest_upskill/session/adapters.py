"""Registers the languages and contracts of plugins when a run starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pluggy

from pytest_upskill.contracts import registry as contracts
from pytest_upskill.contracts.base import Contract
from pytest_upskill.errors import UsageError
from pytest_upskill.languages import registry as languages
from pytest_upskill.languages.base import Language


def register(hook: pluggy.HookRelay) -> None:
    """Calls the hooks of all plugins. Raises UsageError for an object that lacks a part of the protocol."""
    _register(hook.pytest_upskill_language(), languages.register, "pytest_upskill_language", Language)
    _register(hook.pytest_upskill_contract(), contracts.register, "pytest_upskill_contract", Contract)


def _register(answers: Iterable[Any], add: Callable[[Any], None], hook: str, protocol: type) -> None:
    needed = sorted(name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_"))
    # Pluggy returns the answer of the plugin that was registered last first; it replaces earlier ones of the same name.
    for answer in reversed(list(answers)):
        for one in answer if isinstance(answer, list | tuple) else (answer,):
            missing = next((name for name in needed if isinstance(one, type) or not hasattr(one, name)), None)
            if missing is not None:
                kind = f"the class {one.__name__}" if isinstance(one, type) else f"a {type(one).__name__}"
                raise UsageError(f"{hook} returned {kind} without '{missing}'; return an object that has it")
            add(one)
