"""The tables in pyproject.toml under ``[tool.upskill]``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_upskill.errors import UsageError


def students_tables(pyproject: Path) -> Mapping[str, Mapping[str, Any]]:
    """``[tool.upskill.students.<name>]`` by name; empty if there is no such file. Raises UsageError."""
    try:
        data = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{pyproject} cannot be read: {error}") from None
    tables = data.get("tool", {}).get("upskill", {}).get("students", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UsageError(f"{pyproject}: [tool.upskill.students] must hold one table for each student")
    return tables
