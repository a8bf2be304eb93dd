"""Finds the case files of a skill: those in its ``evals/``, and those of another skill that ``cases.yaml`` names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from pytest_upskill.documents.frontmatter import Value, parse_yaml, read_text
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import CaseError

FILE = "cases.yaml"
KEYS = ("from", "only", "except")
_FORM = "'from: ../other-skill'"


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """The files of a skill's cases, sorted by name.

    If ``cases.yaml`` has a ``problem``, no cases of another skill are included.
    """

    paths: tuple[Path, ...]
    problem: CaseError | None = None


def case_files(folder: Path) -> CaseFiles:
    """The case files of a skill's folder: its own, and those of the skill that ``evals/cases.yaml`` names."""
    own = own_paths(folder)
    try:
        return CaseFiles(tuple(sorted([*own, *_taken(folder, own, ())], key=lambda path: path.name)))
    except CaseError as error:
        return CaseFiles(tuple(own), error)


def own_paths(folder: Path) -> list[Path]:
    """The case files in a skill's ``evals/``, sorted by name, without a README."""
    paths = (path for path in (folder / "evals").glob("*.md") if not path.is_dir())
    return sorted(path for path in paths if not path.name.startswith(".") and path.name.lower() != "readme.md")


def _taken(folder: Path, own: Sequence[Path], takers: tuple[Path, ...]) -> list[Path]:
    """The case files that a skill takes from another skill. Raises CaseError.

    The other skill may itself take cases from a further skill. ``takers`` are the skills that lead to this one.
    """
    path = folder / "evals" / FILE
    if not os.path.lexists(path):
        if (wrong := path.with_suffix(".yml")).is_file():
            raise CaseError(f"a skill takes cases by a file called '{FILE}': rename this one", wrong)
        return []
    keys = _keys(path)
    source = _source(folder, path, keys["from"])
    chain = (*takers, folder.resolve())
    if source.resolve() in chain:
        names = " -> ".join([*(one.name for one in chain), source.resolve().name])
        raise CaseError(f"'from' leads back to a skill that takes cases itself ({names}): remove one", path,
                        keys["from"].line)  # fmt: skip
    there = own_paths(source)
    found = {one.stem: one for one in [*there, *_taken(source, there, chain)]}
    if not found:
        what = f"'from' names {_shown(source)}, which has no cases: name a skill with cases in its evals/"
        raise CaseError(what, path, keys["from"].line)
    chosen = _chosen(path, keys, found)
    if clash := next((one for one in own if one.stem in chosen), None):
        what = f"case '{clash.stem}' is in evals/ and in {_shown(source)}: rename one, or add 'except: [{clash.stem}]'"
        raise CaseError(what, path, keys["from"].line)
    return list(chosen.values())


def _keys(path: Path) -> Mapping[str, Value]:
    top: dict[str, Value] = parse_yaml(read_text(path, CaseError), path, CaseError).data
    for key, value in top.items():
        if key not in KEYS:
            raise CaseError(f"unknown key '{key}'{suggest(key, KEYS)}", path, value.line)
    if "from" not in top:
        raise CaseError(f"'from' is missing: name the skill whose cases are taken, as in {_FORM}", path, 1)
    if "only" in top and "except" in top:
        raise CaseError("'only' and 'except' cannot be combined: keep one", path, top["except"].line)
    return top


def _source(folder: Path, path: Path, value: Value) -> Path:
    """The folder of the skill that ``from`` names. The name is relative to the folder of the skill that takes cases."""

    def fail(rule: str) -> CaseError:
        return CaseError(f"'from' is '{value.shown}'; {rule}", path, value.line)

    text = value.data
    if not isinstance(text, str) or not text.strip():
        raise fail(f"it must be the path of one skill's folder, as in {_FORM}")
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive or "\\" in text:
        raise fail(f"write the path as seen from the skill's folder, with '/', as in {_FORM}")
    found = Path(os.path.normpath(folder / text))
    if not found.is_dir():  # a skill may be installed as a link, and its neighbours are then beside the link's target
        found = Path(os.path.normpath(folder.resolve() / text))
    if not found.is_dir():
        near = sorted(one.parent.name for one in folder.resolve().parent.glob("*/SKILL.md"))
        raise fail(f"there is no folder {_shown(found)}{suggest(found.name, near)}")
    if not any((found / name).is_file() for name in ("SKILL.md", "skill.md")):
        raise fail(f"{_shown(found)} is not a skill: it has no SKILL.md; name a skill's folder, as in {_FORM}")
    return found


def _chosen(path: Path, keys: Mapping[str, Value], found: Mapping[str, Path]) -> dict[str, Path]:
    """The cases that ``only`` names or, without ``only``, all cases except those that ``except`` names."""
    key = next((key for key in ("only", "except") if key in keys), None)
    if key is None:
        return dict(found)
    value = keys[key]
    if not isinstance(value.data, list) or not value.data:
        raise CaseError(f"'{key}' is '{value.shown}'; it must be a list of cases, such as [softmax]", path, value.line)
    names: dict[str, None] = {}
    for item in value.data:
        if item.text not in found:
            raise CaseError(f"'{key}' names '{item.shown}', no case there{suggest(item.text, found)}", path, item.line)
        if item.text in names:
            raise CaseError(f"'{key}' names '{item.text}' twice; keep one", path, item.line)
        names[item.text] = None
    return {name: one for name, one in found.items() if (name in names) == (key == "only")}


def _shown(folder: Path) -> str:
    return os.path.relpath(folder)
