"""What a configuration changes of the addresses, server commands and keys of students, for the header of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os.path import relpath
from typing import Any

from pytest_upskill.configuration.settings import Settings
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.builtin import BUILTIN

_SHOWN = ("provider", "base_url", "serve", "api_key_env")
"""Fields of a student's table that decide which program runs, where prompts are sent, and which key is used."""


def overrides(settings: Settings, configs: Sequence[StudentConfig]) -> Iterator[tuple[str, str]]:
    """For each student whose fields differ from the built-in ones: ``student NAME``, and the values with their source.

    A repository's configuration can run commands and redirect keys: a user must see that before it happens.
    """
    pyproject = relpath(settings.rootdir / "pyproject.toml", settings.invocation_dir)
    for config in configs:
        builtin = BUILTIN.get(config.name, {})
        changed = _changed(settings.students_tables.get(config.name, {}), builtin)
        if config.provider == "llama.cpp" and "base_url" in settings.origins:
            changed.pop("base_url", None)
        texts = (
            [f"{', '.join(f'{key} = {value!r}' for key, value in changed.items())} ({pyproject})"] if changed else []
        )
        if config.provider == "llama.cpp":
            values = {"base_url": settings.base_url, "serve": settings.serve}
            texts += [f"{key} = {values[key]!r} ({origin})" for key, origin in settings.origins.items()]
        if texts:
            yield f"student {config.name}", "; ".join(texts)


def _changed(table: Mapping[str, Any], builtin: Mapping[str, Any]) -> dict[str, Any]:
    return {key: table[key] for key in _SHOWN if key in table and table[key] != builtin.get(key)}
