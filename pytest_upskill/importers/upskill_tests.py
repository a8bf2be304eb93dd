"""Makes text cases from tests of Hugging Face's upskill: what an answer must contain, without regard to upper or lower
case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.importers.case_text import text_case
from pytest_upskill.importers.foreign import Foreign, NotImported, checked_text, read_json

META = "skill_meta.json"
_LISTS = ("tests", "cases", "test_cases")
_INPUTS = ("input", "prompt", "task")
_NEEDS_TOOLS = {
    "output_file": "it checks a file that the agent writes ('output_file')",
    "validator": "it runs a validator of upskill ('validator')",
    "validator_config": "it runs a validator of upskill ('validator_config')",
    "setup": "it prepares a workspace ('setup')",
    "workspace": "it needs a workspace ('workspace')",
    "tools": "it needs tools ('tools')",
    "mcp_servers": "it needs tools ('mcp_servers')",
}
_KNOWN = (
    *_INPUTS,
    *_NEEDS_TOOLS,
    "id",
    "name",
    "context",
    "expected",
    "verifiers",
    "assertions",
    "tags",
    "description",
)
_CONTAINS = ("contains", "contains_all", "output_contains")


def tests(path: Path) -> list[Foreign]:
    """The tests in a file, or in the ``skill_meta.json`` (or ``tests.json``) of a skill's folder. Raises UsageError."""
    file = _file(path)
    found = read_json(file)
    listed = found if isinstance(found, list) else _listed(found)
    if listed is None:
        form = '[{"input": "...", "expected": {"contains": ["..."]}}], alone or under "tests" or "cases"'
        raise UsageError(f"{shown_path(file)} holds no tests of upskill; they are a list such as {form}")
    if not listed:
        raise UsageError(f"{shown_path(file)} holds an empty list of tests: nothing to import")
    return [Foreign(f"test {number}", _wanted(one, number), file, one) for number, one in enumerate(listed, 1)]


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in (META, "tests.json", "test_cases.json", "evals/tests.json"):
        if (path / name).is_file():
            return path / name
    raise UsageError(f"{shown_path(path)} holds no {META} and no tests.json: name the file with the tests")


def _listed(found: Any) -> list[Any] | None:
    if not isinstance(found, Mapping):
        return None
    return next((found[key] for key in _LISTS if isinstance(found.get(key), list)), None)


def _wanted(one: Any, number: int) -> str:
    """The name of a test or, without a name, the first words of its question."""
    if not isinstance(one, Mapping):
        return f"test_{number}"
    own = one.get("name") or one.get("id")
    if isinstance(own, str) and own.strip():
        return own
    asked = next((one[key] for key in _INPUTS if isinstance(one.get(key), str)), "")
    return words(asked) or f"test_{number}"


def words(text: str, most: int = 5) -> str:
    """The first words of a text, in ASCII letters and digits, for a name."""
    found = "".join(char if char.isascii() and char.isalnum() else " " for char in text).split()
    return "_".join(found[:most])


def read(test: Foreign, name: str) -> str:
    """The text of the case. Raises NotImported with the reason."""
    data = test.data
    if not isinstance(data, Mapping):
        raise NotImported(f"it is not an object but {type(data).__name__}")
    given = next((key for key in _INPUTS if key in data), "input")
    task = checked_text(data.get(given), f"'{given}'")
    for key, why in _NEEDS_TOOLS.items():
        if data.get(key) not in (None, "", [], {}):
            raise NotImported(f"{why}, and a student here has no tools")
    _refuse_context(data.get("context"))
    if unknown := [key for key in data if key not in _KNOWN and data[key] not in (None, "", [], {})]:
        raise NotImported(f"it has the key '{unknown[0]}', which is not known: it may need what no student here has")
    contains = [checked_text(one, "an entry of 'contains'") for one in _contains(data)]
    if not contains:
        raise NotImported("it expects nothing: a test says in 'expected' what an answer must contain")
    return text_case(task, contains=list(dict.fromkeys(contains)), notes=_notes(test))


def _refuse_context(context: Any) -> None:
    if context in (None, "", [], {}):
        return
    if isinstance(context, Mapping) and set(context) <= {"files"}:
        if not context["files"]:
            return
        names = ", ".join(map(str, context["files"])) if isinstance(context["files"], Mapping | list) else "files"
        raise NotImported(f"it needs files ({names[:200]}), and a student here has none")
    raise NotImported("it has a 'context' that a student here cannot be given")


def _contains(data: Mapping[str, Any]) -> Iterator[Any]:
    """Texts that an answer must contain, in either version of the format: under 'expected', and in lists of checks."""
    expected = data.get("expected")
    if isinstance(expected, Mapping):
        for key, value in expected.items():
            if key not in _CONTAINS:
                raise NotImported(f"its 'expected' has '{key}'; only 'contains' is imported")
            yield from _texts(value)
    elif expected is not None:
        raise NotImported(f"its 'expected' is {type(expected).__name__}, not an object with 'contains'")
    for key in ("verifiers", "assertions"):
        checks = data.get(key) or []
        if not isinstance(checks, list):
            raise NotImported(f"'{key}' is {type(checks).__name__}, not a list of checks")
        for check in checks:
            kind = check.get("type") if isinstance(check, Mapping) else None
            if kind not in _CONTAINS:
                raise NotImported(
                    f"it has a check of type {kind!r}, which needs files or tools; only 'contains' runs here"
                )
            value = next((check[one] for one in ("values", "value", "text", "contains") if one in check), None)
            yield from _texts(value)


def _texts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _notes(test: Foreign) -> str:
    return f"Imported from {test.label} of `{test.path.name}` (upskill)."
