"""The languages by name: our own, imported when they are first needed, and those that plugins registered."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from pytest_upskill.languages.base import Language

_OWN: Mapping[str, str] = {"cuda": "cuda.language:CudaLanguage", "python": "python.language:PythonLanguage"}
"""Where each is: ``module:class`` in this package."""

_known: dict[str, Language] = {}


def register(language: Language) -> None:
    """Makes a language known in this process. One of the same name takes the place of an earlier one."""
    _known[language.name] = language


def names() -> tuple[str, ...]:
    """All languages that can be found."""
    return tuple(dict.fromkeys((*_OWN, *_known)))


def find(name: str) -> Language | None:
    """The language of that name; None where there is none."""
    if name not in _known and name in _OWN:
        module, _, kind = _OWN[name].partition(":")
        _known[name] = getattr(importlib.import_module(f"pytest_upskill.languages.{module}"), kind)()
    return _known.get(name)
