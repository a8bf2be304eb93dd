"""The contracts by name: our own, which are imported on first use, and those that plugins have registered."""

from __future__ import annotations

from pytest_upskill.contracts.base import Contract
from pytest_upskill.languages.registry import Registry

OWN = {
    "launcher": "launcher.contract:LauncherContract",
    "function": "function.contract:FunctionContract",
    "hub": "hub.contract:HubContract",
    "kernel-builder": "kernel_builder.contract:KernelBuilderContract",
}
_registry = Registry[Contract](__package__, OWN)
register, names, find, is_own = _registry.register, _registry.names, _registry.find, _registry.is_own
