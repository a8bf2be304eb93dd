"""Reads documents as one text, and splits a text into parts that fit into a question."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.importers.transcripts import read_text
from pytest_upskill.skills.skill import tokens_of

_SUFFIXES = (".md", ".markdown", ".rst", ".txt", ".adoc", ".html", ".htm")
_HTML = (".html", ".htm")
_MARKS = ("\n\n[", "\n\n", "\n", " ")
"""Texts after whose first character a part may end. The best come first."""


def documents(path: Path) -> tuple[str, list[Path]]:
    """The text of a document, or of all documents below a folder, and the files that were read. Raises UsageError."""
    files = [path] if path.is_file() else sorted(_below(path))
    if not files:
        raise UsageError(f"{shown_path(path)} has no documents; supported suffixes are {', '.join(_SUFFIXES)}")
    texts = [(one, _text(one)) for one in files]
    kept = [(one, text) for one, text in texts if text.strip()]
    if not kept:
        raise UsageError(f"{shown_path(path)} is empty: name documents with text in them")
    root = path if path.is_dir() else path.parent
    return "\n\n".join(f"[document {one.relative_to(root)}]\n{text.strip()}" for one, text in kept), [
        one for one, _ in kept
    ]


def _below(folder: Path) -> Iterator[Path]:
    for one in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in one.relative_to(folder).parts)
        if one.suffix.lower() in _SUFFIXES and not hidden and one.is_file():
            yield one


def _text(path: Path) -> str:
    text = read_text(path)
    if path.suffix.lower() not in _HTML:
        return text
    reader = _Html()
    reader.feed(text)
    reader.close()
    return reader.text


class _Html(HTMLParser):
    """Collects the text of a page, without scripts and styles."""

    _BLOCKS = frozenset(
        [
            "p",
            "div",
            "br",
            "li",
            "tr",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "pre",
            "section",
            "article",
            "table",
            "ul",
            "ol",
            "dd",
            "dt",
        ]
    )
    _HIDDEN = frozenset(("script", "style", "template", "noscript", "head"))

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[str] = []
        self._hidden = 0

    @property
    def text(self) -> str:
        lines = (line.rstrip() for line in "".join(self._pieces).split("\n"))
        return "\n".join(lines).replace("\n\n\n", "\n\n").strip()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden = 0 if tag == "body" else self._hidden + (tag in self._HIDDEN)  # <head> may have no end tag
        if tag in self._BLOCKS:
            self._pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in self._HIDDEN))
        if tag in self._BLOCKS:
            self._pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._pieces.append(data)


def in_parts(text: str, tokens: int) -> list[str]:
    """The text in parts of at most about ``tokens`` each, cut between paragraphs, lines or words. There is one part if
    the text fits.

    The parts, joined, are the whole text.
    """
    if (count := tokens_of(text)) <= tokens:
        return [text]
    most = max(2, len(text) * tokens // count)
    parts, start = [], 0
    while len(text) - start > most:
        low, high = start + most // 2, start + most
        end = next((cut for mark in _MARKS if (cut := text.rfind(mark, low, high) + 1) > 0), high)
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]
