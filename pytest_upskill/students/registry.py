"""Finds students by name, and creates them. Each provider's module is imported on first use."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_upskill.errors import UsageError
from pytest_upskill.students.base import Server, Student, StudentConfig
from pytest_upskill.students.builtin import BUILTIN, DEFAULT_LLAMA_URL
from pytest_upskill.students.reply_files import LAYOUT
from pytest_upskill.students.table import PROVIDERS, config_from_table, did_you_mean, endpoint_url, valid_name

_PROVIDERS: Mapping[str, tuple[str, str, str | None]] = {
    "golden": ("golden", "GoldenStudent", None),
    "files": ("files", "FilesStudent", None),
    "openai": ("openai", "OpenAIStudent", "openai"),
    "llama.cpp": ("llama_server", "LlamaServerStudent", "openai"),
    "anthropic": ("anthropic", "AnthropicStudent", "anthropic"),
}
"""By provider: the module in this package, the class, and the SDK that it needs."""
_RESERVED = ("golden", "demo")
"""Names that no table and no folder may take: the items of these students are collected differently."""


def resolve(
    specs: Sequence[str], tables: Mapping[str, Mapping[str, Any]], invocation_dir: Path, base_url: str | None = None
) -> list[StudentConfig]:
    """The students that ``specs`` name, in order and each once.

    ``specs``: names (separated by commas), ``files:DIR``, ``files:LABEL=DIR`` with DIR relative to ``invocation_dir``.
    ``base_url`` replaces that of llama.cpp students. Raises UsageError.
    """
    for name in tables:
        if name in _RESERVED:
            problem = f"'{name}' is built in and takes no fields; rename the table"
            raise UsageError(f"[tool.upskill.students.{name}]: {problem}")
    found: dict[str, StudentConfig] = {}
    pieces = (piece.strip() for spec in specs for piece in re.split(r"[,\n]", spec))
    for spec in filter(None, pieces):
        config = _resolve_one(spec, tables, invocation_dir, base_url)
        if found.setdefault(config.name, config) != config:
            raise UsageError(
                f"--upskill-student: two different students are called '{config.name}' (the second is {spec!r}); "
                f"give one of them another name with files:LABEL=DIR"
            )
    return list(found.values())


def create(config: StudentConfig, server: Server | None = None) -> Student:
    """The student, with the ``server`` that is started for it, if any.

    Raises UsageError for an unknown provider, or if the provider's SDK is not installed.
    """
    if config.provider not in _PROVIDERS:
        raise UsageError(
            f"student '{config.name}': unknown provider '{config.provider}'{did_you_mean(config.provider, PROVIDERS)} "
            f"(providers: {', '.join(PROVIDERS)}; a plugin for another one must be installed)"
        )
    module_name, class_name, sdk = _PROVIDERS[config.provider]
    if sdk is not None and importlib.util.find_spec(sdk) is None:
        raise UsageError(
            f"student '{config.name}' needs the package '{sdk}', which is not installed; "
            f"install it with: pip install {sdk}"
        )
    kind = getattr(importlib.import_module(f"pytest_upskill.students.{module_name}"), class_name)
    student: Student = kind(config) if server is None else kind(config, server=server)
    return student


def _resolve_one(
    spec: str, tables: Mapping[str, Mapping[str, Any]], invocation_dir: Path, base_url: str | None
) -> StudentConfig:
    if spec == "files" or spec.startswith("files:"):
        return _files(spec, invocation_dir)
    if spec not in tables and spec not in BUILTIN:
        known = sorted({*tables, *BUILTIN})
        raise UsageError(
            f"--upskill-student: unknown student '{spec}'{did_you_mean(spec, known)} (known: {', '.join(known)}; "
            f"or files:DIR for a folder of replies, or a table [tool.upskill.students.{spec}] in pyproject.toml)"
        )
    config = config_from_table(spec, tables.get(spec, {}), BUILTIN.get(spec))
    if config.provider != "llama.cpp":
        return config
    if base_url is not None:
        return replace(config, base_url=endpoint_url("--upskill-base-url", base_url))
    return replace(config, base_url=config.base_url or DEFAULT_LLAMA_URL)


def _files(spec: str, invocation_dir: Path) -> StudentConfig:
    text = spec.removeprefix("files").removeprefix(":")
    label, equals, directory = (part.strip() for part in text.partition("="))
    if not equals or not valid_name(label):
        label, directory = "files", text.strip()
    if not directory:
        raise UsageError(f"--upskill-student: {spec!r} names no folder; write files:DIR or files:LABEL=DIR")
    if label in _RESERVED:
        raise UsageError(f"--upskill-student: {spec!r}: '{label}' is built in; choose another label")
    folder = (invocation_dir / Path(directory).expanduser()).resolve()
    if not folder.is_dir():
        reason = "is no folder" if folder.exists() else "does not exist"
        raise UsageError(f"--upskill-student: {spec!r}: {folder} {reason}; expected a folder with {LAYOUT}")
    return StudentConfig(name=label, provider="files", concurrency=8, folder=folder)
