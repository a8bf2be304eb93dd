"""Reads a run from a file: a JSON report, or a side file of a run whose history could not be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_upskill.errors import UsageError
from pytest_upskill.history import side_file
from pytest_upskill.history.store import History
from pytest_upskill.records import SCHEMA, Outcome, RunInfo

SUFFIXES = (".json", side_file.SUFFIX)
_RUN = ("session", "version", "command", "students", "revision", "dirty", "interrupted", "self_check", "noise")
_DIGESTS = ("prompt_digest", "reply_digest", "skill_digest", "case_digest")


def import_run(history: History, path: Path) -> int:
    """Enter the run in a file into the history and return its number. A run that is already there keeps its number.

    Raises UsageError for a file that holds no run, InfrastructureError if the history cannot be used.
    """
    info, outcomes = read_run(path)
    number = history.begin(info, str(path))
    history.add(number, outcomes)
    history.finish(number, info)
    return number


def read_run(path: Path) -> tuple[RunInfo, list[Outcome]]:
    """Return the run in a ``.json`` report or a ``.jsonl`` side file. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"{path} cannot be read ({reason}); name a JSON report of pytest-upskill") from None
    try:
        return _side_file(text) if path.suffix == side_file.SUFFIX else _report(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        detail = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        problem = f"{path} holds no run of pytest-upskill ({detail:.200})"
        raise UsageError(f"{problem}; name a file that --upskill-report=run.json has written") from None


def _report(text: str) -> tuple[RunInfo, list[Outcome]]:
    data = json.loads(text)
    if not isinstance(data, dict) or not isinstance(data.get("schema"), int):
        raise ValueError("'schema' must be a number")
    if data["schema"] > SCHEMA:
        raise ValueError(f"'schema' is {data['schema']}; this pytest-upskill reads versions up to {SCHEMA}")
    items = [Outcome.from_plain(_item(item)) for item in data["items"]]
    about = data.get("run") or {}
    known = {name: about[name] for name in _RUN if about.get(name) is not None}
    known.setdefault("session", f"report-{hashlib.sha256(text.encode()).hexdigest()[:16]}")
    known.setdefault("self_check", any(item.kind == "mutants" for item in items))
    facts = {name: data[name] for name in ("machine", "device", "seed", "started", "seconds")}
    return RunInfo.from_plain({**facts, **known}), items


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item of the report with its fields renamed to those of ``Outcome``."""
    found = item["counterexample"]
    build, mutants = item.get("build") or {}, item.get("mutants")
    return {
        **{name: item[name] for name in ("id", "kind", "skill", "case", "student", "arm", "trial", "cost_usd")},
        "verdict": {
            "kind": item["verdict"],
            "reason": item["reason"],
            "assertions": item["assertions"],
            "counterexample": found and _counterexample(found),
        },
        **{name: item[name] for name in ("tokens", "seconds")},
        "kernels": build.get("kernels", ()),
        "device_memory": item.get("device_memory"),
        "score": mutants and {**_without(mutants, "lived"), "survived": mutants["lived"]},
        "turns": item.get("turns", ()),
        **{name: item.get(name) for name in ("rubric", "trigger")},
        "notes": item.get("notes", ()),
        "outdated": item.get("outdated_replies", 0),
        **{name: item.get(name) or "" for name in _DIGESTS},
    }


def _counterexample(found: Mapping[str, Any]) -> dict[str, Any]:
    example = {name: found[name] for name in ("dims", "dtype", "seed", "scalars")}
    names = ("assertion", "message", "worst", "line", "reproducible")
    return {**{name: found[name] for name in names}, "example": {**example, "values": found["values"] or ""}}


def _without(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}


def _side_file(text: str) -> tuple[RunInfo, list[Outcome]]:
    *whole, _ = text.split("\n")  # a killed process may have written only a part of the last line
    lines = [json.loads(line) for line in whole]
    if not lines or lines[0].get("upskill_run") != side_file.FORMAT:
        raise ValueError(f"its first line must have 'upskill_run' {side_file.FORMAT}")
    info = RunInfo.from_plain([line["info"] for line in lines if "info" in line][-1])
    return info, [Outcome.from_plain(line["item"]) for line in lines if "item" in line]
