"""The languages by name: our own, which are imported on first use, and those that plugins have registered."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from pytest_upskill.languages.base import Language


class _Named(Protocol):
    name: str


_Adapter = TypeVar("_Adapter", bound=_Named)


class Registry(Generic[_Adapter]):
    """Adapters by name. ``own`` gives, for each of our own adapters, its place in ``package`` as ``module:class``."""

    def __init__(self, package: str, own: Mapping[str, str]) -> None:
        self._package, self._own = package, own
        self._known: dict[str, _Adapter] = {}

    def register(self, adapter: _Adapter) -> None:
        """Add an adapter for this process. It replaces an earlier adapter of the same name."""
        self._known[adapter.name] = adapter

    def names(self) -> tuple[str, ...]:
        """The names that ``find`` knows."""
        return tuple(dict.fromkeys((*self._own, *self._known)))

    def is_own(self, name: str) -> bool:
        """Whether ``name`` is one of our own adapters, and no plugin has replaced it."""
        return name in self._own and type(self._known.get(name)).__module__.startswith(("builtins", self._package))

    def find(self, name: str) -> _Adapter | None:
        """The adapter with this name, or None."""
        if name not in self._known and name in self._own:
            module, _, kind = self._own[name].partition(":")
            self._known[name] = getattr(importlib.import_module(f"{self._package}.{module}"), kind)()
        return self._known.get(name)


OWN = {
    "cuda": "cuda.language:CudaLanguage",
    "python": "python.language:PythonLanguage",
    "hub": "torch_extension.published:PublishedLanguage",
    "torch-extension": "torch_extension.language:TorchExtensionLanguage",
}
_registry = Registry[Language](__package__, OWN)
register, names, find, is_own = _registry.register, _registry.names, _registry.find, _registry.is_own
