"""Separates the answer of a reply from its reasoning: the fenced blocks of the answer. Knows no language of code.

Reasoning is what stands between ``<think>`` and ``</think>`` (and the like); after an opening tag that is never closed;
and before a closing tag that was never opened, since chat templates often open it themselves. An opening tag counts at
the start of a line outside a block; a closing one in a block only at the start of a line, so that code may quote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pytest_upskill.documents.markdown import Fence, FenceReader, fences, lines_of

_NAMES = "think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad|seed:think"
_OPEN = re.compile(rf"[ \t]*(?:<({_NAMES})(?:[ \t][^<>]{{0,100}})?>|\[(THINK)\]|◁(think)▷)", re.IGNORECASE)
_CLOSE = re.compile(rf"(?<!`)(?:</({_NAMES})[ \t]*>|\[/(THINK)\]|◁/(think)▷)", re.IGNORECASE)
_DOCUMENTS = ("markdown", "md")


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of the answer in order, and whether the reasoning held some."""

    answer: tuple[Fence, ...]
    in_reasoning: bool


def answer_blocks(text: str) -> Blocks:
    """Read a reply, in time linear in its length."""
    scan = _Scan()
    for number, line in enumerate(lines_of(text), 1):
        scan.feed(number, line)
    blocks = scan.end()
    return Blocks(tuple(inner for block in blocks for inner in _unwrapped(block)), scan.dropped)


class _Scan:
    """Goes through a reply line by line, in or out of reasoning."""

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
        if line:
            block = self._reader.feed(number, line)
            if block is not None:
                self._blocks.append(block)
        elif self._reader.inside:
            self._reader.feed(number, line)

    def end(self) -> list[Fence]:
        last = self._reader.end()
        return [*self._blocks, last] if last is not None else self._blocks

    def _skipped(self, line: str) -> str:
        self.dropped = self.dropped or line.lstrip().startswith(("```", "~~~"))
        return ""

    def _without_reasoning(self, line: str) -> str:
        """What of a line belongs to the answer."""
        while True:
            if self._family is not None:
                close = next((tag for tag in _CLOSE.finditer(line) if _family(tag) == self._family), None)
                if close is None:
                    return self._skipped(line)
                self._family, line = None, line[close.end() :]
            line = self._after_lone_close(line)
            opening = None if self._reader.inside else _OPEN.match(line)
            if opening is None:
                return line
            self._family, line = _family(opening), line[opening.end() :]

    def _after_lone_close(self, line: str) -> str:
        """A closing tag that nobody opened: all before it was reasoning."""
        if self._reader.inside:
            close = _CLOSE.match(line.lstrip())
            rest = line.lstrip()
        else:
            opening = _OPEN.match(line)
            tags = [] if opening else list(_CLOSE.finditer(line))
            close, rest = (tags[-1] if tags else None), line
        if close is None:
            return line
        self.dropped = self.dropped or bool(self._blocks) or self._reader.inside
        self._blocks, self._reader = [], FenceReader()
        return rest[close.end() :]


def _family(tag: re.Match[str]) -> str:
    name = next(group for group in tag.groups() if group).lower()
    return "think" if name.startswith(("think", "thought")) else name


def _unwrapped(block: Fence) -> list[Fence]:
    """Some models put the whole answer into a block of Markdown: the blocks in it, else the block itself."""
    if block.language not in _DOCUMENTS:
        return [block]
    inner = list(fences(lines_of(block.source), block.line))
    return [replace(fence, closed=block.closed or fence.closed) for fence in inner] or [block]
