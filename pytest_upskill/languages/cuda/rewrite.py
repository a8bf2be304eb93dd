"""Rewrites CUDA C++ for a host compiler, without moving a line. Reads the source text only.

Our headers support most of the language. The rest is rewritten here: kernel launches (``k<<<grid, block>>>(x)``),
``extern __shared__`` arrays, alignment and ``static`` around ``__shared__``, ``__noinline__``, parts of device
functions (``device_functions``), and inline PTX (``ptx``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from pytest_upskill.languages.cuda import ptx
from pytest_upskill.languages.cuda.device_functions import rewrite_functions
from pytest_upskill.languages.cuda.host_functions import mark_host_functions
from pytest_upskill.languages.cuda.source_text import (
    CLOSERS,
    OPAQUE,
    OPENERS,
    blank_out,
    bracket_pairs,
    closing_bracket,
    edited,
    line_breaks,
)

HEADER = "upskill_cpu.h"
"""The header that every unit includes first. It has what nvcc includes implicitly, and more; see flags.PCH_HEADER."""


def rewrite(source: str, name: str = "kernel.cu", preamble: str = "", *, host_assembly: bool = False) -> str:
    """The source for the host compiler. Messages and debug information give ``name`` and the source's own line numbers.

    ``preamble`` (whole lines) is placed between our headers and the source. With ``host_assembly``, assembly that is
    not PTX stays as it is. Raises ValueError with a message that begins ``name:line:`` for a launch or declaration
    without an end.
    """
    text, has_ptx = ptx.rewrite_statements(source.replace("\r\n", "\n"), host_assembly=host_assembly)
    launches, shared = (_rewrite_launches, _rewrite_api_launches), (_rewrite_dynamic_shared, _rewrite_static_shared)
    marks = () if host_assembly else (mark_host_functions,)  # a program's keywords may come from its headers
    try:
        for step in (*marks, _close_chevrons, *launches, *shared, rewrite_functions, _rewrite_noinline):
            text = step(text)
    except _Unfinished as error:
        raise ValueError(f"{name}:{error}") from None
    headers = (HEADER, ptx.HEADER) if has_ptx else (HEADER,)
    includes = "".join(f'#include "{header}"\n' for header in headers)
    return f'{includes}{preamble}#line 1 "{name}"\n{text}'


class _Unfinished(Exception):
    """Raised for a launch or declaration without an end. The message begins with its line."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"{text.count(chr(10), 0, position) + 1}: {problem}")


_OPENING_CHEVRONS = re.compile(r"(?<!<)(?<!operator)(?:<<[ \t]+<|<[ \t]+<<)(?!<)")
_CLOSING_CHEVRONS = re.compile(r"(?:>>[ \t]+>|>[ \t]+>>|>[ \t]+>[ \t]+>)(?=\s*\()")


def _close_chevrons(text: str) -> str:
    """Change ``k << <g, b >> > (x)``, as some editors format a launch, to ``k <<<g, b >>> (x)``. nvcc accepts both."""
    blank = blank_out(text)
    openings = [found.span() for found in _OPENING_CHEVRONS.finditer(blank)]
    closings = [found.span() for found in _CLOSING_CHEVRONS.finditer(blank)] if openings else []
    starts = [start for start, _ in closings]
    after = {bisect_left(starts, end) for _, end in openings}
    marks = [*((span, "<<<") for span in openings), *((closings[one], ">>>") for one in after if one < len(closings))]
    return edited(text, ((start, end, mark.ljust(end - start)) for (start, end), mark in marks))


def _rewrite_launches(text: str) -> str:
    """Change ``k<<<g, b>>>(x)`` to ``::upskill::cpu::launch_kernel([&](auto&&... a) { k(a...); }, "k", g, b)(x)``.

    A launch may be nested in another launch. Therefore only the marks of a launch are replaced, never the text between
    them.
    """
    blank = blank_out(text)
    starts = [match.start() for match in re.finditer(r"(?<!<)<<<(?!<)", blank)]
    pairs = bracket_pairs(blank) if starts else {}
    openers = {closing: opening for opening, closing in pairs.items()}
    return edited(text, [edit for start in starts for edit in _launch_edits(text, blank, start, pairs, openers)])


def _launch_edits(
    text: str, blank: str, start: int, pairs: Mapping[int, int], openers: Mapping[int, int]
) -> list[tuple[int, int, str]]:
    kernel_start = _kernel_start(blank, start, openers)
    kernel = text[kernel_start:start]
    advice = "write kernel<<<grid, block>>>"
    if not kernel.strip():
        raise _Unfinished(text, start, f"a launch '<<<...>>>' without a kernel before it; {advice}(...)")
    end = _configuration_end(blank, start + 3, pairs)
    if end < 0:
        raise _Unfinished(text, start, f"the launch that begins with '<<<' has no '>>>'; {advice}(...)")
    opening = re.compile(r"(?:\s|\\\n)*").match(blank, end + 3)
    paren = opening.end() if opening else end + 3
    closing = pairs.get(paren, -1) if blank.startswith("(", paren) else -1
    if closing < 0:
        raise _Unfinished(text, start, f"the launch's argument list has no end; {advice}(arguments)")
    label = re.sub(r'[\s\\"]+', " ", _without_comments(kernel)).strip()
    arguments = _argument_places(blank, paren, closing, pairs)
    if any(blank[begin:stop].lstrip().startswith("{") for begin, stop in arguments):
        head, tail = "::upskill::cpu::launch_function(", f', "{label}", '
    else:
        head = "::upskill::cpu::launch_kernel([&](auto&&... upskill_cpu_a) UPSKILL_CPU_UNCHECKED { "
        tail = f'(upskill_cpu_a...); }}, "{label}", '
    breaks = line_breaks(text[end:paren])
    marks = [(kernel_start, kernel_start, head), (start, start + 3, tail), (end, paren, f"){breaks}")]
    return [*marks, *_null_pointers(blank, arguments)]


_KERNEL_CAST = re.compile(
    r"\bcudaLaunch(?:Cooperative)?Kernel\s*\(\s*"
    r"(\(\s*(?:const\s+)?void\s*(?:const\s*)?\*\s*\)|(?:reinterpret|static)_cast\s*<\s*(?:const\s+)?void\s*\*\s*>)"
)


def _rewrite_api_launches(text: str) -> str:
    """Remove the cast in ``cudaLaunchKernel((void*)k, ...)``, because it hides the kernel's parameters."""
    casts = [match.span(1) for match in _KERNEL_CAST.finditer(blank_out(text))]
    return edited(text, ((start, end, re.sub(r"[^\n]", " ", text[start:end])) for start, end in casts))


def _without_comments(text: str) -> str:
    return OPAQUE.sub(lambda match: match.group() if match.group()[0] != "/" else " ", text)


def _null_pointers(blank: str, arguments: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    """Replacements for arguments NULL and 0. They stop being null pointer constants when a forwarding parameter takes
    them; nullptr and our Zero stay null pointers.
    """
    for begin, end in arguments:
        word = blank[begin:end].strip() if end - begin < _SHORT else ""
        if word in ("0", "NULL"):
            place = blank.index(word, begin)
            yield place, place + len(word), "nullptr" if word == "NULL" else "::upskill::cpu::Zero{}"


def _argument_places(blank: str, opening: int, closing: int, pairs: Mapping[int, int]) -> list[tuple[int, int]]:
    """The places of the arguments between two brackets. If there may be template arguments, whose commas look the same,
    all arguments count as one.
    """
    if blank.find("<", opening, closing) >= 0:
        return [(opening + 1, closing)]
    places, begin, position = [], opening + 1, opening + 1
    while position < closing:
        mark = _SEPARATOR.search(blank, position, closing)
        if mark is None:
            break
        if mark[0] == ",":
            places.append((begin, mark.start()))
            begin = position = mark.end()
        else:
            position = pairs.get(mark.start(), mark.start()) + 1
    return [*places, (begin, closing)]


def _configuration_end(blank: str, start: int, pairs: Mapping[int, int]) -> int:
    """The position of the ``>>>`` that closes the ``<<<`` before ``start``, or -1. Text in brackets is skipped."""
    position = start
    while mark := _CONFIGURATION_MARK.search(blank, position):
        if mark[0] == ">>>":
            return mark.start()
        if mark[0] not in CLOSERS or mark.start() not in pairs:
            return -1
        position = pairs[mark.start()] + 1
    return -1


_SEPARATOR = re.compile(r"[,(\[{]")
_CONFIGURATION_MARK = re.compile(r">>>|[()\[\]{};]")
_SHORT = 200
_LOOK_BACK = 2000
"""The most characters before a launch in which the beginning of its kernel's name is searched."""


def _kernel_start(blank: str, end: int, openers: Mapping[int, int]) -> int:
    """The start of the expression that names the kernel: names, scopes, members, and their brackets."""
    position, first = _skip_space_back(blank, end), max(0, end - _LOOK_BACK)
    while position > first:
        character = blank[position - 1]
        if character == ">" and blank[position - 2] != "-":
            if (opening := _open_angle(blank, position - 1, openers)) is None:
                break
            position = _skip_space_back(blank, opening)
        elif character in ")]":
            if (opening := openers.get(position - 1)) is None:
                break
            position = opening
            if not _names_a_callee(blank, position):
                break
        elif character.isalnum() or character == "_":
            position = _word_start(blank, position)
            before = _skip_space_back(blank, position)
            joint = next((mark for mark in ("::", "->", ".") if blank.endswith(mark, 0, before)), "")
            if not joint:
                return position
            position = before - len(joint)
            if joint == "::" and not _names_a_callee(blank, position):
                return position
        else:
            return position
    return position


def _word_start(blank: str, end: int) -> int:
    first = max(0, end - _LOOK_BACK)
    while end > first and (blank[end - 1].isalnum() or blank[end - 1] == "_"):
        end -= 1
    return end


def _names_a_callee(blank: str, end: int) -> bool:
    """Whether the expression that continues at ``end`` has a name, scope or bracket before it."""
    if end == 0 or not (blank[end - 1].isalnum() or blank[end - 1] in "_>]"):
        return False
    return blank[_word_start(blank, end) : end] not in ("return", "else", "do", "case", "goto", "co_return", "throw")


def _skip_space_back(blank: str, position: int) -> int:
    first = max(0, position - _LOOK_BACK)
    while position > first and (blank[position - 1].isspace() or blank.startswith("\\\n", position - 1)):
        position -= 1
    return position


def _open_angle(blank: str, closing: int, openers: Mapping[int, int]) -> int | None:
    """The position of the ``<`` of the template arguments that end at ``closing``. Text in brackets is skipped."""
    depth, position = 0, closing
    while position >= max(0, closing - _LOOK_BACK):
        character = blank[position]
        if character == ">" and blank[position - 1 : position] != "-":
            depth += 1
        elif character == "<":
            depth -= 1
            if depth == 0:
                return position
        elif character in OPENERS:
            position = openers.get(position, -1)
        elif character in ";{":
            return None
        position -= 1
    return None


_SHARED = re.compile(r"\b__shared__\b")
_DECLARATION = 2000
"""The most characters of a declaration in which ``__shared__`` is searched."""
_ALIGNMENT = re.compile(r"\b(?:__align__|alignas)\s*\(")
_ARRAY = re.compile(r"(?P<type>[\s\S]*?[\s*&>])(?P<name>\w+)\s*\[\s*\](?P<rest>(?:\s*\[[^\]]*\])*)\s*")
_OBJECT = re.compile(r"(?P<type>[\s\S]*?[\s*&>])(?P<name>\w+)\s*")


def _rewrite_dynamic_shared(text: str) -> str:
    """Change ``extern __shared__ T x[];`` to a pointer to the beginning of the block's dynamic shared memory."""
    blank = blank_out(text)
    ends = [match.start() for match in re.finditer(";", blank)]
    edits: list[tuple[int, int, str]] = []
    for match in re.finditer(r"\bextern\b", blank):
        start, after = match.start(), bisect_left(ends, match.start())
        stop = ends[after] if after < len(ends) else len(blank)
        near = blank[start : min(stop, start + _DECLARATION)]
        if not _SHARED.search(near) or "{" in near or (edits and start < edits[-1][1]):
            continue
        if after == len(ends):
            raise _Unfinished(text, start, "the declaration 'extern __shared__' has no ';'")
        if (declaration := _dynamic_declaration(text[start:stop])) is None:
            problem = "cannot read this 'extern __shared__' declaration; write extern __shared__ float buffer[];"
            raise _Unfinished(text, start, problem)
        edits.append((start, stop, declaration))
    return edited(text, edits)


def _dynamic_declaration(statement: str) -> str | None:
    plain = _drop_alignments(_without_comments(statement))
    plain = re.sub(r"\b(?:extern|__shared__|static)\b", " ", plain.replace("\\\n", " "))
    memory = "upskill_cpu_dynamic_shared"
    if array := _ARRAY.fullmatch(plain):
        kind, rest = " ".join(array["type"].split()), array["rest"].strip()
        made = f"{kind} (*const {array['name']}){rest} = reinterpret_cast<{kind} (*){rest}>({memory})"
    elif single := _OBJECT.fullmatch(plain):
        kind = " ".join(single["type"].split())
        made = f"{kind} &{single['name']} = *reinterpret_cast<{kind} *>({memory})"
    else:
        return None
    return made + line_breaks(statement)


def _drop_alignments(text: str) -> str:
    while match := _ALIGNMENT.search(text):
        closing = closing_bracket(blank_out(text), match.end() - 1)
        if closing < 0:
            return text
        text = f"{text[: match.start()]} {text[closing + 1 :]}"
    return text


def _rewrite_static_shared(text: str) -> str:
    """Remove ``static`` beside ``__shared__``, because our ``__shared__`` includes it, and change a following
    ``alignas`` to an attribute, because ``alignas`` is not allowed after ``static``.
    """
    blank, edits = blank_out(text), []
    pairs = bracket_pairs(blank) if "alignas" in blank else {}
    for match in re.finditer(r"(?:\bstatic\s{1,200})?\b__shared__\b(?:\s{1,200}static\b)?", blank):
        end, attribute = match.end(), ""
        breaks = line_breaks(match[0])
        alignment = re.compile(r"\s*\balignas\s*\(").match(blank, end)
        if alignment and (closing := pairs.get(alignment.end() - 1, 0)):
            inner = text[alignment.end() : closing]
            attribute = f"{line_breaks(alignment[0])} __attribute__((aligned({inner})))"
            end = closing + 1
        edits.append((match.start(), end, f"__shared__{breaks}{attribute}"))
    return edited(text, edits)


def _rewrite_noinline(text: str) -> str:
    """Change ``__noinline__`` to an attribute. A macro ``__noinline__`` would break the standard library's headers,
    which write the attribute as ``__attribute__((__noinline__))``.
    """
    blank = blank_out(text)
    places = (match.span() for match in re.finditer(r"\b__noinline__\b", blank))
    apart = (one for one in places if not blank[max(0, one[0] - _SHORT) : one[0]].rstrip().endswith("("))
    return edited(text, ((start, end, "__attribute__((noinline))") for start, end in apart))
