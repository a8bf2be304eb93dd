"""The files of a project: their paths, their sizes, and the one text that holds them all. Reads text only.

A path is the last word of the info string of a fenced block: ```` ```cpp torch-ext/torch_binding.cpp ````. Text cannot
hold links; a path that names anything but a new file below the project is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pytest_upskill.documents.markdown import Fence, fences, lines_of
from pytest_upskill.languages.torch_extension import SOURCE_NAME

MAX_FILES = 64
MAX_BYTES = 1_000_000
"""Bytes of all files; the largest projects of this kind that one reply can hold are a tenth as long."""
_MAX_DEPTH = 6
_MAX_NAME = 64
_MAX_PATH = 160

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*\Z")
_LABEL = re.compile(r"(?:title|file|filename|path|name)\s*[=:]\s*", re.IGNORECASE)
_SUFFIXES = (
    ".toml", ".cpp", ".cc", ".cxx", ".c", ".h", ".hh", ".hpp", ".cuh", ".cu", ".inl", ".inc", ".py", ".md", ".txt",
    ".json", ".yaml", ".yml", ".nix", ".lock", ".gitignore",
)  # fmt: skip
_BARE_NAMES = ("LICENSE", "NOTICE", "README")
_GENERATED = ("CMakeLists.txt", "setup.py", "pyproject.toml", "metadata.json", "torch-ext/registration.h")
_GENERATED_FOLDERS = ("build", "cmake", "result")
_GENERATED_IN_PACKAGE = ("_ops.py", "metadata.json")
COMPILED = (".cpp", ".cc", ".cxx", ".cu")
"""The suffixes of files that a compiler gets."""


class ProjectError(Exception):
    """What is wrong with a project, in words: a failure of its author."""


@dataclass(frozen=True, slots=True)
class File:
    """``line`` is the line of the text (1-based) where the file's own text begins."""

    path: str
    text: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class Project:
    """The files in order. ``unnamed`` are the first lines of blocks of code that have no path."""

    files: tuple[File, ...]
    unnamed: tuple[int, ...] = field(default=(), compare=False)

    @property
    def texts(self) -> dict[str, str]:
        return {file.path: file.text for file in self.files}

    @property
    def text(self) -> str:
        """The whole project as one text, from which ``project_of`` reads the same files."""
        return "\n".join(_block(file) for file in self.files)


def project_of(sources: Mapping[str, str]) -> Project:
    """The project in the sources of a judge's request: the one text, or its files by path. Raises ProjectError."""
    if set(sources) == {SOURCE_NAME}:
        return from_blocks(fences(lines_of(sources[SOURCE_NAME])))
    return checked([File(tidy_path(path), text) for path, text in sources.items()])


def from_blocks(blocks: Iterable[Fence]) -> Project:
    """The files in the blocks of a reply. Of several blocks with the same path the last closed one counts, at the place
    of the first. Raises ProjectError.
    """
    found: dict[str, tuple[Fence, File]] = {}
    unnamed = []
    for block in blocks:
        if not (path := path_of(block.info)):
            unnamed.append(block.opening)
        elif len(found) >= 2 * MAX_FILES:
            raise ProjectError(f"the project has more than {MAX_FILES} files: leave some out")
        elif path not in found or block.closed or not found[path][0].closed:
            found[path] = block, File(tidy_path(path), block.source, block.line)
    return checked([file for _, file in found.values()], unnamed)


def path_of(info: str) -> str:
    """The path at the end of an info string, as written; empty if there is none: a lone word names a language."""
    words = info.split()
    if not words:
        return ""
    last = words[-1]
    if len(words) == 1 and ":" in last and not _LABEL.match(last):
        last = last.partition(":")[2]  # ```cpp:torch-ext/torch_binding.cpp
    path = _LABEL.sub("", last).strip("\"'`{}()")
    named = len(words) > 1 or ":" in words[0] or "=" in words[0]
    known = path in _BARE_NAMES or path.endswith(_SUFFIXES)
    return path if "/" in path or "\\" in path or known or (named and "." in path) else ""


def tidy_path(path: str) -> str:
    """A path without ``./`` at its beginning."""
    return re.sub(r"\A(?:\./+)+", "", path)


def checked(files: Sequence[File], unnamed: Sequence[int] = ()) -> Project:
    """The project of these files. Raises ProjectError for a path or a size that is not allowed."""
    if len(files) > MAX_FILES:
        raise ProjectError(f"the project has {len(files)} files; at most {MAX_FILES}: leave some out")
    for file in files:
        if problem := path_problem(file.path):
            raise ProjectError(f"{shown(file.path)}: {problem}")
    size = sum(len(file.text.encode("utf-8", "surrogatepass")) for file in files)
    if size > MAX_BYTES:
        largest = max(files, key=lambda file: len(file.text))
        what = f"the project has {size} bytes; at most {MAX_BYTES}"
        raise ProjectError(f"{what}: shorten it, above all '{largest.path}'")
    _refuse_clashes([file.path for file in files])
    return Project(tuple(files), tuple(unnamed))


def path_problem(path: str) -> str:
    """Why no file may have this path; empty if one may."""
    parts = path.split("/")
    in_package = parts[0] == "torch-ext" and len(parts) == 3
    problems = {
        "the path is absolute; write it relative to the project, as in 'torch-ext/torch_binding.cpp'": (
            path.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:", path)
        ),
        "the path climbs out of its folder with '..'; write it relative to the project, without '..'": ".." in parts,
        f"the path is too long; at most {_MAX_PATH} characters, {_MAX_NAME} in a name, {_MAX_DEPTH} levels": (
            len(path) > _MAX_PATH or len(parts) > _MAX_DEPTH or any(len(part) > _MAX_NAME for part in parts)
        ),
        "a path has names of letters, digits, '_', '.', '+' and '-', separated by '/', none beginning with '.'": (
            path != ".gitignore" and any(not _NAME.match(part) for part in parts)
        ),
        "this file is generated from build.toml; leave it out": (
            path in _GENERATED or parts[0] in _GENERATED_FOLDERS or (in_package and parts[2] in _GENERATED_IN_PACKAGE)
        ),
        "names that begin with 'upskill' are reserved; rename it": (
            any(part.lower().startswith("upskill") for part in parts)
        ),
        f"a project has files of source code and text ({', '.join(_SUFFIXES[:9])}, ...); leave it out": (
            PurePosixPath(path).suffix not in _SUFFIXES and parts[-1] not in (*_BARE_NAMES, ".gitignore")
        ),
    }
    return next((problem for problem, applies in problems.items() if applies), "")


def _refuse_clashes(paths: Sequence[str]) -> None:
    """Raises ProjectError if two paths cannot be files at once, also where letters have no case."""
    seen: dict[str, str] = {}
    for path in paths:
        if (other := seen.setdefault(path.lower(), path)) != path:
            raise ProjectError(f"'{path}' and '{other}' differ in upper and lower case only: rename one")
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ProjectError(f"'{twice}' is given twice: keep one")
    for path in paths:
        for folder in map(str, PurePosixPath(path).parents):
            if folder.lower() in seen:
                raise ProjectError(f"'{seen[folder.lower()]}' is a file, and '{path}' needs a folder of that name")


def shown(path: str) -> str:
    """A path as a message shows it."""
    short = path if len(path) <= _MAX_PATH else f"{path[:80]}..."
    return f"{short!a}"


def _block(file: File) -> str:
    longest = max([2, *(len(run) for run in re.findall(r"`+", file.text))])
    fence = "`" * (longest + 1)
    newline = "" if file.text.endswith("\n") or not file.text else "\n"
    return f"{fence}{_tag(file.path)} {file.path}\n{file.text}{newline}{fence}\n"


def _tag(path: str) -> str:
    tags = {".toml": "toml", ".py": "python", ".cu": "cuda", ".cuh": "cuda", ".nix": "nix"}
    return tags.get(PurePosixPath(path).suffix, "cpp")
