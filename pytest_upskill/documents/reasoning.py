"""The fenced blocks of a reply's answer, without those of its reasoning.

Reasoning is the text between ``<think>`` and ``</think>`` (and the like), after an opening tag that is never closed,
and before a closing tag that was never opened, since chat templates often open it themselves. An opening tag counts at
the start of a line outside a block; a closing one in a block only at the start of a line, so that code can quote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pytest_upskill.documents.markdown import Fence, FenceReader, fences, lines_of

_NAMES = "think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad|seed:think"
_OPEN = re.compile(rf"[ \t]*(?:<({_NAMES})(?:[ \t][^<>]{{0,100}})?>|\[(THINK)\]|◁(think)▷)", re.IGNORECASE)
_CLOSE = re.compile(rf"(?<!`)(?:</({_NAMES})[ \t]*>|\[/(THINK)\]|◁/(think)▷)", re.IGNORECASE)
_BLANKS = re.compile(r"\s*")
_DOCUMENTS = ("markdown", "md")


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of the answer in order, and whether the reasoning held some."""

    answer: tuple[Fence, ...]
    in_reasoning: bool


def answer_blocks(text: str) -> Blocks:
    """The blocks of a reply. Takes time linear in its length."""
    scan = _Scan()
    for number, line in enumerate(lines_of(text), 1):
        scan.feed(number, line)
    return Blocks(tuple(inner for block in scan.end() for inner in _unwrapped(block)), scan.dropped)


class _Scan:
    """Reads a reply line by line; ``_family`` is that of the reasoning tag that is open, if one is."""

    def __init__(self) -> None:
        self.dropped = False
        self._family: str | None = None
        self._reader = FenceReader()
        self._blocks: list[Fence] = []

    def feed(self, number: int, line: str) -> None:
        if "<" in line or "[" in line or "◁" in line:
            line = self._without_reasoning(line)
        elif self._family is not None:
            line = self._skipped(line)
        if (line or self._reader.inside) and (block := self._reader.feed(number, line)) is not None:
            self._blocks.append(block)

    def end(self) -> list[Fence]:
        last = self._reader.end()
        return self._blocks if last is None else [*self._blocks, last]

    def _skipped(self, line: str) -> str:
        self.dropped = self.dropped or line.lstrip().startswith(("```", "~~~"))
        return ""

    def _without_reasoning(self, line: str) -> str:
        """The part of a line that belongs to the answer."""
        start = 0
        while True:
            if self._family is not None:
                close = next((tag for tag in _CLOSE.finditer(line, start) if _family(tag) == self._family), None)
                if close is None:
                    return self._skipped(line[start:])
                self._family, start = None, close.end()
            start = self._after_lone_close(line, start)
            opening = None if self._reader.inside else _OPEN.match(line, start)
            if opening is None:
                return line[start:]
            self._family, start = _family(opening), opening.end()

    def _after_lone_close(self, line: str, start: int) -> int:
        """Where the answer begins: after a closing tag without an opening one, since all before it was reasoning."""
        close = None
        if self._reader.inside:
            blanks = _BLANKS.match(line, start)
            close = _CLOSE.match(line, blanks.end() if blanks else start)
        elif not _OPEN.match(line, start):
            close = max(_CLOSE.finditer(line, start), key=re.Match.end, default=None)
        if close is None:
            return start
        self.dropped = self.dropped or bool(self._blocks) or self._reader.inside
        self._blocks, self._reader = [], FenceReader()
        return close.end()


def _family(tag: re.Match[str]) -> str:
    name = next(group for group in tag.groups() if group).lower()
    return "think" if name.startswith(("think", "thought")) else name


def _unwrapped(block: Fence) -> list[Fence]:
    """The blocks in a block of Markdown, which some models put around the whole answer; any other block as it is."""
    if block.language not in _DOCUMENTS:
        return [block]
    inner = list(fences(lines_of(block.source), block.line))
    return [replace(fence, closed=block.closed or fence.closed) for fence in inner] or [block]
