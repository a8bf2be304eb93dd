"""Makes text cases from an ``evals.json`` of skill-creator or agentskills.io. Its expectations become rubrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.importers.case_text import text_case
from pytest_upskill.importers.foreign import Foreign, NotImported, checked_text, read_json
from pytest_upskill.importers.upskill_tests import words

FILE = "evals.json"
_EXPECTATIONS = ("expectations", "assertions")
"""The names of the field in skill-creator and at agentskills.io."""
_TEXTS = ("text", "description", "assertion", "expectation", "criterion")
"""The keys under which an expectation that is a JSON object has its text."""


def evals(path: Path) -> list[Foreign]:
    """The evals in a file, or in the ``evals/evals.json`` of a skill's folder. Raises UsageError."""
    file = _file(path)
    found = read_json(file)
    listed = found.get("evals") if isinstance(found, Mapping) else found
    if not isinstance(listed, list):
        form = '{"evals": [{"id": 1, "prompt": "...", "expectations": ["..."]}]}'
        raise UsageError(f"{shown_path(file)} holds no evals; they are a list as in {form}")
    if not listed:
        raise UsageError(f"{shown_path(file)} holds an empty list of evals: nothing to import")
    return [Foreign(_label(one, number), _wanted(one, number), file, one) for number, one in enumerate(listed, 1)]


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in (f"evals/{FILE}", FILE):
        if (path / name).is_file():
            return path / name
    raise UsageError(f"{shown_path(path)} holds no evals/{FILE}: name the file with the evals")


def _label(one: Any, number: int) -> str:
    own = one.get("id") if isinstance(one, Mapping) else None
    return f"eval {own if isinstance(own, int | str) and str(own).strip() else number}"


def _wanted(one: Any, number: int) -> str:
    if not isinstance(one, Mapping):
        return f"eval_{number}"
    own = next((one[key] for key in ("name", "eval_name") if isinstance(one.get(key), str)), "")
    if not own and isinstance(one.get("id"), str):
        own = one["id"]
    prompt = one.get("prompt")
    return words(own) or words(prompt if isinstance(prompt, str) else "") or f"eval_{number}"


def read(one: Foreign, name: str) -> str:
    """The text of the case. Raises NotImported with the reason."""
    data = one.data
    if not isinstance(data, Mapping):
        raise NotImported(f"it is not an object but {type(data).__name__}")
    task = checked_text(data.get("prompt"), "'prompt'")
    if files := data.get("files"):
        names = ", ".join(map(str, files if isinstance(files, list | Mapping) else [files]))
        raise NotImported(f"it needs files ({names[:200]}), and a student here has none")
    contains: list[str] = []
    rubric: list[str] = []
    for key in _EXPECTATIONS:
        for entry in _entries(data.get(key), key):
            _sort(entry, key, contains, rubric)
    output = data.get("expected_output")
    if output is not None and str(output).strip():
        told = checked_text(output, "'expected_output'")
        if not rubric and not contains:
            rubric.append(f"The answer matches this description: {told.strip()}")
    if not rubric and not contains:
        raise NotImported(
            "it expects nothing: 'expectations' (or 'assertions') and 'expected_output' are missing or empty"
        )
    notes = f"Imported from {one.label} of `{one.path.name}`."
    if output is not None and str(output).strip():
        notes += f"\n\nExpected output: {str(output).strip()}"
    return text_case(task, contains=list(dict.fromkeys(contains)), rubric=list(dict.fromkeys(rubric)), notes=notes)


def _entries(value: Any, key: str) -> Iterator[Any]:
    if value is None:
        return
    if isinstance(value, str):
        yield value
        return
    if not isinstance(value, list):
        raise NotImported(f"'{key}' is {type(value).__name__}, not a list")
    yield from value


def _sort(entry: Any, key: str, contains: list[str], rubric: list[str]) -> None:
    """Sort an expectation: a text goes into the rubric, a check for a text into ``contains``."""
    if isinstance(entry, Mapping):
        kind = entry.get("type")
        if kind == "contains":
            value = entry.get("value", entry.get("values"))
            contains += [
                checked_text(one, f"a value in '{key}'") for one in (value if isinstance(value, list) else [value])
            ]
            return
        if kind not in (None, "llm", "rubric", "judge", "llm_judge", "llm-rubric"):
            raise NotImported(f"'{key}' has a check of type {kind!r}, which is not imported; write it as a sentence")
        entry = next((entry[one] for one in _TEXTS if one in entry), entry.get("value"))
    rubric.append(" ".join(checked_text(entry, f"an entry of '{key}'").split()))
