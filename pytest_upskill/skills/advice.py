"""What the specification of skills recommends without requiring it: length, depth, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from pytest_upskill.documents.frontmatter import Document, Value
from pytest_upskill.documents.markdown import FenceReader

MAX_LINES, MAX_TOKENS = 500, 5000
CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English and code, which needs no tokenizer."""

_LINK = re.compile(r"\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?[^)\n]*\)")
_MENTION = re.compile(r"(?<![\w./:-])((?:references|scripts|assets)/[\w./-]*\.\w+)(?![\w*<{/])")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a skill, at a line of its ``SKILL.md`` (None: of the whole file)."""

    severity: Literal["error", "warning"]
    message: str
    line: int | None = None

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


def advise(document: Document, folder: Path) -> Iterator[Problem]:
    """The warnings about a skill, roughly in the order of its lines."""
    yield from _keys(document.frontmatter.data)
    yield from _length(document)
    yield from _links(document, folder)


def _keys(top: dict[str, Value]) -> Iterator[Problem]:
    listed = top.get("allowed-tools")
    if listed is not None and isinstance(listed.data, list):
        yield Problem("warning", "'allowed-tools' should be one text, with the tools separated by blanks", listed.line)
    elif listed is not None and "," in re.sub(r"\([^)]*\)", "", listed.text):
        yield Problem("warning", "'allowed-tools' should separate tools by blanks, not by commas", listed.line)
    metadata = top.get("metadata")
    if metadata is not None and not isinstance(metadata.data, dict):
        yield Problem("warning", "'metadata' should be a mapping of texts to texts", metadata.line)
    elif metadata is not None:
        for key, value in metadata.data.items():
            if isinstance(value.data, list | dict):
                yield Problem("warning", f"'{key}' of 'metadata' should be a text", value.line)


def _length(document: Document) -> Iterator[Problem]:
    text = "\n".join(document.body).strip()
    lines = text.count("\n") + 1
    tokens = len(text) // CHARACTERS_PER_TOKEN
    if not text:
        yield Problem("warning", "the body is empty: write what an agent has to know", document.body_line)
    if lines > MAX_LINES:
        yield Problem(
            "warning", f"the body has {lines} lines; move details to references/ above {MAX_LINES}", document.body_line
        )
    if tokens > MAX_TOKENS:
        message = f"the body has about {tokens} tokens; move details to references/ above {MAX_TOKENS}"
        yield Problem("warning", message, document.body_line)


def _links(document: Document, folder: Path) -> Iterator[Problem]:
    targets = dict.fromkeys(_targets(document.body, document.body_line))
    linked = {target for target, _ in targets}
    for target, line in targets:
        path = folder / target
        if Path(target).is_absolute() or ".." in Path(target).parts:
            yield Problem(
                "warning", f"'{target}' is outside the skill's folder and is not copied with it: move it there", line
            )
        elif not path.exists():
            yield Problem("warning", f"'{target}' does not exist: add the file, or correct the link", line)
        elif len(Path(target).parts) > 2:
            yield Problem("warning", f"'{target}' is more than one level deep: keep references next to SKILL.md", line)
        elif path.suffix == ".md" and path.is_file():
            yield from _chain(target, line, path, linked)


def _chain(target: str, line: int, path: Path, linked: set[str]) -> Iterator[Problem]:
    """Links of a reference to files that ``SKILL.md`` does not name."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for further, _ in _targets(lines, 1):
        named = (Path(target).parent / further).as_posix()
        if further.endswith(".md") and (path.parent / further).is_file() and not {named, further} & linked:
            yield Problem(
                "warning", f"'{target}' leads on to '{further}': link that from SKILL.md, one level deep", line
            )


def _targets(lines: list[str], first: int) -> Iterator[tuple[str, int]]:
    """Files that the prose names: link targets, and paths into the folders of the specification."""
    reader = FenceReader()
    for number, line in enumerate(lines, first):
        inside = reader.inside
        reader.feed(number, line)
        if inside or reader.inside:
            continue
        found = [*_LINK.findall(re.sub(r"`[^`]*`", "", line)), *_MENTION.findall(line)]
        for target in dict.fromkeys(unquote(raw.partition("#")[0]) for raw in found if not _SCHEME.match(raw)):
            if target:
                yield target, number
