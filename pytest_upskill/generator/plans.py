"""Reads a teacher's plan strictly, and reports all problems in it at once, in words for people and models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from pytest_upskill.documents.markdown import Fence
from pytest_upskill.documents.reasoning import answer_blocks
from pytest_upskill.generator.answers import (
    OPERATOR_BYTES,
    README,
    Plan,
    Refused,
    checked_text,
    is_hidden_in_answers,
    is_reserved,
)
from pytest_upskill.records import Reply

_FORM = (
    'the form is one ```json block with {"skill": "name-with-hyphens", "cases": [{"name": "name_of_case", '
    '"operator": "what it computes", "difficulty": 1}]}, and no other keys'
)
_RULES: Mapping[str, str] = {
    "skill": "a name has lower-case letters, digits and single hyphens, and at most 64 characters",
    "cases": "it is a list of cases",
    "name": "a name has lower-case letters, digits and '_', begins with a letter, and has at most 48 characters",
    "operator": "a text of 3 to 600 characters that says what the kernel computes",
    "difficulty": "a whole number from 1 to 5, without quotes",
}
_MOST_SHOWN = 60
_MOST_PROBLEMS = 12
_UNKNOWN = "extra_forbidden"


def read_plan(reply: Reply, count: int, taken: Sequence[str] = (), skill: str = "") -> Plan:
    """The plan in the only fenced block of JSON or YAML, with ``count`` cases. Names in ``taken`` are in use already;
    if ``skill`` is not empty, the plan's skill must have this name. Raises Refused with all problems.
    """
    blocks = [one for one in answer_blocks(checked_text(reply)).answer if one.language in ("json", "yaml", "yml")]
    if len(blocks) != 1:
        raise Refused(f"the answer holds {len(blocks)} fenced blocks of JSON or YAML; {_FORM}")
    parsed = _parsed(blocks[0])
    try:
        plan = Plan.model_validate(parsed)
    except ValidationError as error:
        found = dict.fromkeys(_in_words(one, parsed) for one in error.errors())
        listed = parsed.get("cases") if isinstance(parsed, dict) else None
        if isinstance(listed, list):
            names = [str(one.get("name")) for one in listed if isinstance(one, dict) and "name" in one]
            found |= dict.fromkeys(_wrong_number(len(listed), count))
            found |= dict.fromkeys(_in_use(names, taken))
        raise Refused(_together([*found], _FORM)) from None
    names = [one.name for one in plan.cases]
    if problems := [*_wrong_number(len(names), count), *_in_use(names, taken), *_wrong_texts(plan, skill)]:
        raise Refused(_together(problems))
    return plan


def _together(problems: Sequence[str], form: str = "") -> str:
    shown = [*problems[:_MOST_PROBLEMS], *filter(None, [form])]
    if len(problems) > _MOST_PROBLEMS:
        shown.insert(_MOST_PROBLEMS, f"{len(problems) - _MOST_PROBLEMS} more problems like these")
    return "; ".join(shown)


def _in_words(error: Any, parsed: object) -> str:
    """Describe one error of validation: where it is, what is there, and the rule."""
    place = tuple(error["loc"])
    key = str(place[-1]) if place else ""
    where = f"of the plan's case {_called(place, parsed)}" if len(place) > 1 else "of the plan"
    if not place:
        return f"the plan is not an object with the keys 'skill' and 'cases', but {_shown(parsed)}"
    if error["type"] == _UNKNOWN:
        return f"the key {key!r} {where} is not known: remove it"
    if error["type"] == "missing":
        return f"the key {key!r} {where} is missing: {_RULES[key]}"
    if key not in _RULES:
        return f"the plan's case {_called(place, parsed)} is not an object, but {_shown(error['input'])}"
    return f"{key!r} {where} is {_shown(error['input'])}: {_RULES[key]}"


def _called(place: Sequence[Any], parsed: object) -> str:
    """The number of a case and, if the case has a name, its name."""
    number = place[1]
    try:
        name = parsed["cases"][number]["name"]  # type: ignore[index]
    except (KeyError, TypeError, IndexError):
        name = None
    return f"{number + 1} ({name!r})" if isinstance(name, str) and name.isidentifier() else f"{number + 1}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _wrong_number(number: int, count: int) -> Iterator[str]:
    if number != count:
        cases = "1 case" if number == 1 else f"{number} cases"
        yield f"the plan has {cases}; {count} {'was' if count == 1 else 'were'} asked for"


def _in_use(names: Sequence[str], taken: Sequence[str]) -> Iterator[str]:
    for name in dict.fromkeys(name for number, name in enumerate(names) if name in names[:number]):
        yield f"the plan has two cases of the name '{name}'; rename one of them"
    for name in dict.fromkeys(name for name in names if name in taken):
        yield f"the skill already has a case '{name}'; plan another operator, with another name"


def _wrong_texts(plan: Plan, skill: str) -> Iterator[str]:
    names = [one.name for one in plan.cases]
    if README in names:
        yield f"evals/{README}.md would not be a case, but a file for readers; choose another name"
    for name in filter(is_reserved, (plan.skill, *names)):
        yield f"'{name}' is the name of a device on Windows, where no file can have it; choose another"
    for one in plan.cases:
        if len(one.operator.strip()) < 3 or any(char == "\n" or is_hidden_in_answers(char) for char in one.operator):
            yield f"the operator of '{one.name}' is not one line of visible text"
        if (size := len(one.operator.encode())) > OPERATOR_BYTES:
            yield f"the operator of '{one.name}' has {size} bytes of UTF-8; at most {OPERATOR_BYTES}: shorten it"
    if skill and plan.skill != skill:
        yield f"the plan calls the skill '{plan.skill}'; its name is '{skill}'"


def _parsed(block: Fence) -> Any:
    try:
        if block.language == "json":
            return json.loads(block.source, object_pairs_hook=_unique)
        from ruamel.yaml import YAML

        return YAML(typ="safe", pure=True).load(block.source)
    except Exception as error:  # YAML's tags and numbers can raise any exception
        said = " ".join(str(error).split())[:200]
        raise Refused(f"the plan's block is not valid {block.language.upper()} ({said}); {_FORM}") from None


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key '{next(key for key in keys if keys.count(key) > 1)}' is given twice")
    return found
