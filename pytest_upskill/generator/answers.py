"""Reads a teacher's answers: a plan, the files of a skill, or one case file, each in a strict format. Answers are data.

No answer chooses where something is written. A skill has the files ``SKILL.md`` and ``references/<name>.md``, and a
case has the name that the plan gave it. Everything else is refused, and the reason is sent back to the teacher.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pytest_upskill.documents.hidden_characters import is_hidden
from pytest_upskill.documents.markdown import Fence, fences, lines_of
from pytest_upskill.documents.reasoning import answer_text
from pytest_upskill.records import MutationScore, Reply

MOST_BYTES = 200_000
"""The most bytes of an answer. A longer answer is refused unread."""
MOST_NOTES = 20_000
"""The most characters of the notes on one part of some material."""
MOST_REFERENCES = 12
SKILL_FILE = "SKILL.md"
CASE_NAME, LONGEST_CASE_NAME = r"[a-z][a-z0-9_]{0,47}", 48
README = "readme"
"""No case may have this name, because the file ``readme.md`` is not read as a case."""
SKILL_NAME = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_REFERENCE = re.compile(r"references/[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.md")
_FENCE = re.compile(r"`{3,}|~{3,}")
_PATH_LIKE = re.compile(r"\S*[./\\]\S*")
_JOINERS = "\u200c\u200d"
"""These joiners have no width, but the writing of some languages needs them, and so do emoji."""
_RESERVED = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]", re.IGNORECASE)
"""Windows reserves these names for devices, so no file or folder can have one of them there."""
_MARKDOWN = ("markdown", "md")


class Refused(Exception):
    """An answer that is not used. The message goes to the teacher and, in the end, to the user."""


def same_operator(other: str) -> Refused:
    """Why a case that asks for the same operator as the case ``other`` is refused."""
    return Refused(
        f"the case asks for the same operator as case '{other}': both references give the same results on shared "
        "inputs; write a case for another operator, which need not be the planned one, under the same name"
    )


OPERATOR_BYTES = 600
"""The longest operator of a plan, in UTF-8 bytes. Each question for a case lists all operators."""


class PlannedCase(BaseModel):  # pydantic's '$' matches at the end only, not before a line end
    """A case to write: its name, the operator in words, and the difficulty from 1 (easy) to 5."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, StringConstraints(pattern=rf"^{CASE_NAME}$")]
    operator: Annotated[str, StringConstraints(min_length=3, max_length=600)]
    difficulty: Annotated[int, Field(ge=1, le=5)]


class Plan(BaseModel):
    """The name of the skill, and its cases in the order in which they are asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    skill: Annotated[str, StringConstraints(pattern=rf"^{SKILL_NAME}$", max_length=64)]
    cases: tuple[PlannedCase, ...] = Field(strict=False)


def checked_text(reply: Reply) -> str:
    """The text of an answer, without the reasoning. Raises Refused if it is too long, cut off or empty."""
    if (size := len(reply.text.encode("utf-8", "replace"))) > MOST_BYTES:
        raise Refused(f"the answer has {size:,} bytes or more; at most {MOST_BYTES:,} are read: write a shorter one")
    if reply.finish == "length":
        raise Refused("the answer was cut off at the model's limit of tokens: write a shorter one")
    text = answer_text(reply.text)
    if not text.strip():
        raise Refused("the answer is empty, or holds reasoning only")
    for number, line in enumerate(lines_of(text), 1):
        if strange := next((one for one in line if is_hidden_in_answers(one)), None):
            rule = "characters that are invisible or change the direction of text are refused"
            raise Refused(f"line {number} of the answer holds U+{ord(strange):04X}; {rule}: remove it")
    return "\n".join(lines_of(text)) + "\n"


def is_hidden_in_answers(char: str) -> bool:
    """Whether an answer with this character is refused, because the character is invisible or misleading."""
    return char not in _JOINERS and is_hidden(char)


def is_reserved(name: str) -> bool:
    """Whether Windows forbids files of this name, so that a repository with such a file cannot be cloned there."""
    return _RESERVED.fullmatch(name) is not None


def read_skill(reply: Reply) -> Mapping[str, str]:
    """The texts of a skill's files by path, in the order of the answer. A text that begins with frontmatter and has no
    path (the whole answer, or one of its blocks) is SKILL.md. Raises Refused.
    """
    text = checked_text(reply)
    found: dict[str, str] = {}
    blocks = tuple(fences(lines_of(text)))
    paths = [block.info.split()[-1] if block.info else "" for block in blocks]
    if text.lstrip().startswith("---\n") and not any(map(_is_file, paths)):
        return {SKILL_FILE: text.lstrip()}
    for number, (block, given) in enumerate(zip(blocks, paths, strict=True), 1):
        path = given
        if not _is_file(path):
            if len(block.info.split()) > 1 or block.language not in ("", *_MARKDOWN):
                raise Refused(f"block {number} is for {path!r}; {_SKILL_FORM}")
            if not block.source.startswith("---\n") or SKILL_FILE in paths:
                raise Refused(f"block {number} has no path; {_SKILL_FORM}")
            path = SKILL_FILE
        if is_reserved(Path(path).stem):
            raise Refused(f"{path} is the name of a device on Windows, where no file can have it; choose another")
        if not block.source.strip():
            raise Refused(f"the block of {path} is empty; fill it, or leave it out")
        if path.lower() in map(str.lower, found):
            raise Refused(f"there are two blocks for {path}; write one")
        if not block.closed:
            raise Refused(f"the block of {path} is never closed; {_SKILL_FORM}")
        found[path] = block.source
    if SKILL_FILE not in found:
        raise Refused(f"the answer has no block for {SKILL_FILE}; {_SKILL_FORM}")
    if len(found) > MOST_REFERENCES + 1:
        raise Refused(f"the skill has {len(found) - 1} references; at most {MOST_REFERENCES} are allowed: merge some")
    return found


_SKILL_FORM = (
    "each file is one block, whose first line is ~~~~~~markdown SKILL.md or ~~~~~~markdown references/NAME.md "
    "(letters, digits, '-' and '_'), and whose last line is ~~~~~~, so that ``` blocks fit into it"
)


def _is_file(path: str) -> bool:
    return path == SKILL_FILE or _REFERENCE.fullmatch(path) is not None


def read_notes(reply: Reply) -> str:
    """The notes on a part of some material. Raises Refused."""
    text = checked_text(reply).strip()
    if len(text) > MOST_NOTES:
        raise Refused(f"the notes have {len(text):,} characters; at most {MOST_NOTES:,} are read: shorten them")
    return text


def read_case(reply: Reply, name: str) -> str:
    """The text of the case file ``name``: the whole answer, or its only block of Markdown. Raises Refused."""
    text = checked_text(reply)
    if text.lstrip().startswith("---\n"):
        return text.lstrip()
    blocks = [one for one in fences(lines_of(text)) if one.language in _MARKDOWN]
    if len(blocks) != 1:
        raise Refused(f"the answer holds {len(blocks)} case files; {_CASE_FORM}")
    block = blocks[0]
    for word in block.info.split()[1:]:
        if _PATH_LIKE.fullmatch(word) and word not in (f"evals/{name}.md", f"{name}.md"):
            raise Refused(f"the block is for {word!r}; this answer may only hold evals/{name}.md")
    if not block.closed:
        raise Refused(f"the block of the case file is never closed; {_CASE_FORM}")
    _refuse_nested(text, block)
    if not block.source.startswith("---\n"):
        raise Refused(f"the block does not begin with the line '---' of a case's frontmatter; {_CASE_FORM}")
    return block.source


def _refuse_nested(text: str, block: Fence) -> None:
    """Raise Refused if an inner block uses the same fence as the outer block, because the inner closing fence would end
    the outer block.
    """
    found = _FENCE.search(lines_of(text)[block.opening - 1])
    fence = found[0] if found else "```"
    if any(line.lstrip().startswith(fence) for line in block.source.splitlines()):
        what = f"blocks inside it open with {fence}, too, so it ends at the end of the first of them"
        raise Refused(f"line {block.opening}: the block of the case file opens with {fence}, and {what}; {_CASE_FORM}")


_CASE_FORM = (
    "write the text of one case file, in one block that opens with ~~~~~~markdown and closes with ~~~~~~, so that ``` "
    "blocks fit into it"
)


def counted(score: MutationScore) -> str:
    """How many mutants were killed, and the first ones that were not, with their lines in the case."""
    killed = f"{score.killed} of {score.total} mutants killed"
    return f"{killed}; not detected: {survivors(score)}" if score.survived else killed


def survivors(score: MutationScore) -> str:
    """The first mutants that no example detected, with their lines in the case, and advice on the case."""
    shown = (f"line {one.line}: {one.change}" + (f" ({one.advice})" if one.advice else "") for one in score.survived)
    return ", ".join(itertools.islice(shown, 4))
