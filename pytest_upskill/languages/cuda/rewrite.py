"""Rewrites CUDA C++ for a host compiler, without moving a line. Reads the source text only.

Our headers cover the language but for kernel launches (``k<<<grid, block>>>(x)``), ``extern __shared__`` arrays,
alignment and ``static`` around ``__shared__``, ``__noinline__``, and inline PTX (``ptx``), which are rewritten.
"""

from __future__ import annotations

import re

from pytest_upskill.languages.cuda import ptx
from pytest_upskill.languages.cuda.source_text import (
    CLOSERS,
    OPAQUE,
    OPENERS,
    blank_out,
    closing_bracket,
    line_breaks,
    split_outside,
)

HEADER = "upskill_cpu.h"
"""What nvcc includes implicitly, and more; see flags.PCH_HEADER."""


def rewrite(source: str, name: str = "kernel.cu", preamble: str = "", *, host_assembly: bool = False) -> str:
    """The source for the host compiler; messages and debug information give ``name`` and its own lines.

    ``preamble`` (whole lines) goes between our headers and the source; with ``host_assembly``, assembly that is not PTX
    stays as it is. Raises ValueError with a message that begins
    ``name:line:`` for a launch or declaration without an end.
    """
    text, has_ptx = ptx.rewrite_statements(source.replace("\r\n", "\n"), host_assembly=host_assembly)
    shared = (_rewrite_dynamic_shared, _rewrite_static_shared)
    try:
        for step in (_close_chevrons, _rewrite_launches, _rewrite_api_launches, *shared, _rewrite_noinline):
            text = step(text)
    except _Unfinished as error:
        raise ValueError(f"{name}:{error}") from None
    headers = (HEADER, ptx.HEADER) if has_ptx else (HEADER,)
    includes = "".join(f'#include "{header}"\n' for header in headers)
    return f'{includes}{preamble}#line 1 "{name}"\n{text}'


class _Unfinished(Exception):
    """A launch or declaration without an end; the message begins with its line."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"{text.count(chr(10), 0, position) + 1}: {problem}")


_OPENING_CHEVRONS = re.compile(r"(?<!<)(?<!operator)(?:<<[ \t]+<|<[ \t]+<<)(?!<)")
_CLOSING_CHEVRONS = re.compile(r"(?:>>[ \t]+>|>[ \t]+>>|>[ \t]+>[ \t]+>)(?=\s*\()")


def _close_chevrons(text: str) -> str:
    """``k << <g, b >> > (x)``, as some editors format a launch, becomes ``k <<<g, b >>> (x)``; nvcc accepts both."""
    blank = blank_out(text)
    openings = list(_OPENING_CHEVRONS.finditer(blank))
    closings = [found for one in openings if (found := _CLOSING_CHEVRONS.search(blank, one.end()))]
    marks = [*((one, "<<<") for one in openings), *((one, ">>>") for one in closings)]
    for match, mark in sorted(marks, key=lambda entry: -entry[0].start()):
        if text[match.start() : match.end()] == match.group():
            text = text[: match.start()] + mark.ljust(len(match.group())) + text[match.end() :]
    return text


def _rewrite_launches(text: str) -> str:
    """``k<<<g, b>>>(x)`` becomes ``::upskill::cpu::launch_kernel([&](auto&&... a) { k(a...); }, "k", g, b)(x)``."""
    blank = blank_out(text)
    for match in reversed(list(re.finditer(r"(?<!<)<<<(?!<)", blank))):
        text, blank = _rewrite_launch(text, blank, match.start())
    return text


def _rewrite_launch(text: str, blank: str, start: int) -> tuple[str, str]:
    """``blank`` is updated with the text: blanking it afresh for each of a thousand launches takes minutes."""
    kernel_start = _kernel_start(blank, start)
    kernel, rest = text[kernel_start:start], blank[start:]
    advice = "write kernel<<<grid, block>>>"
    if not kernel.strip():
        raise _Unfinished(text, start, f"a launch '<<<...>>>' without a kernel before it; {advice}(...)")
    end = _configuration_end(rest)
    if end < 0:
        raise _Unfinished(text, start, f"the launch that begins with '<<<' has no '>>>'; {advice}(...)")
    opening = re.compile(r"(?:\s|\\\n)*").match(rest, end + 3)
    paren = opening.end() if opening else end + 3
    closing = closing_bracket(rest, paren) if rest[paren : paren + 1] == "(" else -1
    if closing < 0:
        raise _Unfinished(text, start, f"the launch's argument list has no end; {advice}(arguments)")
    configuration, arguments = text[start + 3 : start + end], text[start + paren + 1 : start + closing]
    label = re.sub(r'[\s\\"]+', " ", _without_comments(kernel)).strip()
    breaks = line_breaks(text[start + end : start + paren])
    callee = f"launch_kernel([&](auto&&... upskill_cpu_a) UPSKILL_CPU_UNCHECKED {{ {kernel}(upskill_cpu_a...); }}"
    if any(argument.lstrip().startswith("{") for argument in _split(arguments)):
        callee = f"launch_function({kernel}"
    call = f'::upskill::cpu::{callee}, "{label}", {configuration}){breaks}({_null_pointers(arguments)})'
    after = start + closing + 1
    return text[:kernel_start] + call + text[after:], blank[:kernel_start] + blank_out(call) + blank[after:]


_KERNEL_CAST = re.compile(
    r"\bcudaLaunch(?:Cooperative)?Kernel\s*\(\s*"
    r"(\(\s*(?:const\s+)?void\s*(?:const\s*)?\*\s*\)|(?:reinterpret|static)_cast\s*<\s*(?:const\s+)?void\s*\*\s*>)"
)


def _rewrite_api_launches(text: str) -> str:
    """``cudaLaunchKernel((void*)k, ...)`` loses the cast, which hides the kernel's parameters."""
    for match in reversed(list(_KERNEL_CAST.finditer(blank_out(text)))):
        start, end = match.span(1)
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


def _without_comments(text: str) -> str:
    return OPAQUE.sub(lambda match: match.group() if match.group()[0] != "/" else " ", text)


def _null_pointers(arguments: str) -> str:
    """NULL and 0 are no null pointers once a parameter forwards them; nullptr and our Zero are."""
    zero = "::upskill::cpu::Zero{}"
    pieces = [piece.replace("0", zero) if piece.strip() == "0" else piece for piece in _split(arguments)]
    return re.sub(r"\bNULL\b", "nullptr", ",".join(pieces))


def _split(arguments: str) -> list[str]:
    """The arguments; all as one piece if template arguments make commas ambiguous."""
    return [arguments] if "<" in blank_out(arguments) else split_outside(arguments, ",")


def _configuration_end(blank: str) -> int:
    """The position of the ``>>>`` that closes the ``<<<`` at 0, or -1."""
    depth = 0
    for mark in re.compile(r">>>|[()\[\]{};]").finditer(blank, 3):
        if depth == 0 and mark[0] == ">>>":
            return mark.start()
        depth += (mark[0] in CLOSERS) - (mark[0] in OPENERS)
        if depth < 0 or (depth == 0 and mark[0] == ";"):
            return -1
    return -1


def _kernel_start(blank: str, end: int) -> int:
    """The start of the expression that names the kernel: names, scopes, members, and their brackets."""
    position = _skip_space_back(blank, end)
    while position > 0:
        character = blank[position - 1]
        if character == ">" and blank[position - 2] != "-":
            position = _skip_space_back(blank, _open_angle(blank, position - 1))
        elif character in ")]":
            position = _open_bracket(blank, position - 1)
            if not _names_a_callee(blank, position):
                return position
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
    while end > 0 and (blank[end - 1].isalnum() or blank[end - 1] == "_"):
        end -= 1
    return end


def _names_a_callee(blank: str, end: int) -> bool:
    """Whether the expression that continues at ``end`` has a name, scope or bracket before it."""
    if end == 0 or not (blank[end - 1].isalnum() or blank[end - 1] in "_>]"):
        return False
    return blank[_word_start(blank, end) : end] not in ("return", "else", "do", "case", "goto", "co_return", "throw")


def _skip_space_back(blank: str, position: int) -> int:
    while position > 0 and (blank[position - 1].isspace() or blank.startswith("\\\n", position - 1)):
        position -= 1
    return position


def _open_angle(blank: str, closing: int) -> int:
    """The position of the ``<`` of the template arguments that end at ``closing``; brackets within are skipped."""
    depth, position = 0, closing
    while position >= 0:
        character = blank[position]
        if character == ">" and blank[position - 1 : position] != "-":
            depth += 1
        elif character == "<":
            depth -= 1
            if depth == 0:
                return position
        elif character in OPENERS:
            position = _open_bracket(blank, position)
        elif character in ";{":
            return closing
        position -= 1
    return closing


def _open_bracket(blank: str, closing: int) -> int:
    depth = 0
    for position in range(closing, -1, -1):
        depth += (blank[position] in OPENERS) - (blank[position] in CLOSERS)
        if depth == 0:
            return position
    return 0


_SHARED = re.compile(r"\b__shared__\b")
_DECLARATION = 2000
"""Characters of a declaration in which ``__shared__`` is searched."""
_ALIGNMENT = re.compile(r"\b(?:__align__|alignas)\s*\(")
_ARRAY = re.compile(r"(?P<type>[\s\S]*?[\s*&>])(?P<name>\w+)\s*\[\s*\](?P<rest>(?:\s*\[[^\]]*\])*)\s*")
_OBJECT = re.compile(r"(?P<type>[\s\S]*?[\s*&>])(?P<name>\w+)\s*")


def _rewrite_dynamic_shared(text: str) -> str:
    """``extern __shared__ T x[];`` becomes a pointer to the beginning of the block's dynamic shared memory."""
    blank = blank_out(text)
    for match in reversed(list(re.finditer(r"\bextern\b", blank))):
        start, end = match.start(), blank.find(";", match.start())
        stop = end if end >= 0 else len(blank)
        if not _SHARED.search(blank, start, min(stop, start + _DECLARATION)) or "{" in blank[start:stop]:
            continue
        if end < 0:
            raise _Unfinished(text, start, "the declaration 'extern __shared__' has no ';'")
        if (declaration := _dynamic_declaration(text[start:end])) is None:
            problem = "cannot read this 'extern __shared__' declaration; write extern __shared__ float buffer[];"
            raise _Unfinished(text, start, problem)
        text = text[:start] + declaration + text[end:]
    return text


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
    """Our ``__shared__`` includes ``static``, after which an attribute may follow, but no ``alignas``."""
    blank = blank_out(text)
    for match in reversed(list(re.finditer(r"(?:\bstatic\s+)?\b__shared__\b(?:\s+static\b)?", blank))):
        end, attribute = match.end(), ""
        breaks = line_breaks(match[0])
        if alignment := re.compile(r"\s*\balignas\s*\(").match(blank, end):
            closing = closing_bracket(blank, alignment.end() - 1)
            if closing > 0:
                inner = text[alignment.end() : closing]
                attribute = f"{line_breaks(alignment[0])} __attribute__((aligned({inner})))"
                end = closing + 1
        text = f"{text[: match.start()]}__shared__{breaks}{attribute}{text[end:]}"
    return text


def _rewrite_noinline(text: str) -> str:
    """A macro ``__noinline__`` would break the standard library's headers, which spell the attribute in this way."""
    blank = blank_out(text)
    for match in reversed(list(re.finditer(r"\b__noinline__\b", blank))):
        if not re.search(r"\(\s*$", blank[: match.start()]):
            text = f"{text[: match.start()]}__attribute__((noinline)){text[match.end() :]}"
    return text
