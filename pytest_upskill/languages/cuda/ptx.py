"""Translates inline PTX into calls of functions in our headers. Reads the source text only.

Each instruction of an ``asm`` statement becomes one C++ statement with functions of ``upskill_cpu/ptx.h``. If a
statement has an unsupported instruction, it becomes a trap, which reports the instruction when it runs. Instructions:
the PTX ISA, section 9.7.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_upskill.languages.cuda.cuda_names import is_instruction, is_listed
from pytest_upskill.languages.cuda.ptx_instructions import Missing, Unsupported, instruction_code
from pytest_upskill.languages.cuda.source_text import blank_out, bracket_pairs, edited, line_breaks, split_outside

HEADER = "upskill_cpu/ptx.h"
"""The header that a unit with inline PTX includes."""

_ASM = re.compile(r"\b(?:asm|__asm__|__asm)\b(?:\s|\\\n)*(?:(?:volatile|__volatile__|__volatile)\b(?:\s|\\\n)*)?\(")
_LITERAL = re.compile(r'"((?:[^"\\\n]|\\[\s\S])*)"')
_RAW = re.compile(r'R"(?P<fence>[^()\\\s]{0,16})\((?P<text>[\s\S]*?)\)(?P=fence)"')
_PIECE = re.compile(r'"(?:[^"\\\n]|\\[\s\S])*"?|\w+')
_STRING_MACRO = re.compile(
    r'^[ \t]*#[ \t]*define[ \t]+(?P<name>\w+)[ \t]+(?P<text>(?:"(?:[^"\\\n]|\\[\s\S])*"(?:[ \t]|\\\n)*)+)$',
    re.MULTILINE,
)
_OPERAND = re.compile(r'\s*(?:\[\s*(?P<name>\w+)\s*\]\s*)?"(?P<constraint>[^"]*)"\s*\((?P<value>[\s\S]*)\)\s*')
_ESCAPES = {"n": "\n", "t": " ", "r": " ", "\\": "\\", '"': '"', "\n": ""}
_COMMENT = re.compile(r'("(?:[^"\\\n]|\\[\s\S])*")|/\*[\s\S]*?\*/|//[^\n]*')
_DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
_TOKEN_BREAK = re.compile(r"/\*[\s\S]*?\*/|//[^\n]*")


@dataclass(frozen=True, slots=True)
class Statement:
    """An ``asm`` statement: its place in the source (``end`` is just after the closing bracket), and its parts."""

    start: int
    end: int
    template: str | None
    """The instructions; None if a macro makes a part of them."""
    operands: tuple[str, ...]
    names: tuple[str, ...]
    is_global: bool = False
    """Whether it is outside of functions, where only the host's assembly can be."""


def statements(text: str) -> Iterator[Statement]:
    """The ``asm`` statements of a source, in order."""
    blank = blank_out(text)
    pairs = bracket_pairs(blank)
    inner = _not_global(blank, pairs)
    macros = {found["name"]: found["text"] for found in _STRING_MACRO.finditer(text)}
    end = 0
    for match in _ASM.finditer(blank):
        closing = pairs.get(match.end() - 1)
        if closing is not None and match.start() >= end:
            end = closing
            statement = _read(text, (match.start(), match.end(), closing), macros)
            place = bisect_right(inner, (match.start(), len(text))) - 1
            yield replace(statement, is_global=place < 0 or match.start() >= inner[place][1])


def _not_global(blank: str, pairs: Mapping[int, int]) -> list[tuple[int, int]]:
    """Where blocks in braces and the preprocessor's directives begin and end, in order, without those within others."""
    blocks = [(opened, closed) for opened, closed in pairs.items() if blank[opened] == "{"]
    found: list[tuple[int, int]] = []
    for start, end in sorted([*blocks, *(match.span() for match in _DIRECTIVE.finditer(blank))]):
        if not found or end > found[-1][1]:
            found.append((start, end))
    return found


def translate(statement: Statement) -> str:
    """The C++ for a statement. Raises Unsupported."""
    if statement.template is None:
        raise Unsupported("inline PTX that cannot be read")
    code, lacking = [], None
    for line in _instructions(statement.template):
        try:
            code.append(_translate_one(line, statement))
        except Missing:
            raise
        except Unsupported as reason:
            lacking = lacking or reason
    if lacking:
        raise lacking
    if len(code) > 1:
        return f"do {{ {' '.join(code)} }} while (0)"
    return code[0].removesuffix(";") if code else "(void)0"


def rewrite_statements(text: str, *, host_assembly: bool = False) -> tuple[str, bool]:
    """Replace each ``asm`` statement of the source. Returns the new source, and whether it had any such statement. No
    line moves.

    With ``host_assembly``, statements that are not PTX stay as they are.
    """
    edits = [
        (one.start, one.end, code + line_breaks(text[one.start : one.end]))
        for one in statements(text)
        if (code := replacement(one, host_assembly=host_assembly)) is not None
    ]
    return edited(text, edits), bool(edits)


def replacement(statement: Statement, *, host_assembly: bool = False) -> str | None:
    """The C++ for a statement. If the cpu device does not support an instruction, this is a trap. If PTX has no such
    instruction, it is a compile-time error or, with ``host_assembly``, None.

    Traps and errors take effect only where the statement is compiled, that is, not in a dropped branch of ``#if``.
    """
    try:
        if statement.is_global:
            raise Missing(f"an asm outside of functions is not PTX; {_NO_HOST}")
        return translate(statement)
    except Missing as problem:
        return None if host_assembly else f"_Pragma({json.dumps('GCC error ' + json.dumps(str(problem)))})"
    except Unsupported as reason:
        return f"::upskill::cpu::needs_gpu({json.dumps(str(reason))}, true)"


def _read(text: str, places: tuple[int, int, int], macros: Mapping[str, str]) -> Statement:
    start, begin, end = places
    sections = split_outside(text[begin:end], ":")
    pieces = [piece.replace("\\\n", " ") for section in sections[1:3] for piece in split_outside(section, ",")]
    found = [operand for piece in pieces if (operand := _OPERAND.fullmatch(piece))]
    operands = tuple(" ".join(one["value"].split()) for one in found)
    return Statement(
        start, end + 1, _template(sections[0], macros), operands, tuple(one["name"] or "" for one in found)
    )


def _template(section: str, macros: Mapping[str, str]) -> str | None:
    section = _PIECE.sub(lambda found: macros.get(found[0], found[0]), section) if macros else section
    if raw := _RAW.search(section):
        return raw["text"]
    section = _COMMENT.sub(lambda match: match[1] or " ", section.replace("\\\n", " "))
    if _LITERAL.sub("", section).strip():
        return None
    literals = _LITERAL.findall(section)
    return "".join(re.sub(r"\\([\s\S])", lambda match: _ESCAPES.get(match[1], match[1]), text) for text in literals)


def _instructions(template: str) -> Iterator[str]:
    """The instructions and declarations of a template, without the braces of scopes around them."""
    for piece in _TOKEN_BREAK.sub(" ", template).split(";"):
        line = " ".join(piece.split())
        while line.startswith(("{", "}")):
            line = line[1:].lstrip()
        if line:
            yield line


_NO_HOST = "assembly of the host is not allowed in a kernel's source: remove it"


def _translate_one(line: str, statement: Statement) -> str:
    if line.startswith(".reg"):
        return _declaration(line)
    guard = ""
    if found := re.match(r"@(!?)\s*(%?\w+)\s+", line):
        guard = f"if ({found[1]}({_operand(found[2], statement)})) "
        line = line[found.end() :]
    opcode, _, rest = line.partition(" ")
    if opcode.endswith(":"):
        raise Unsupported("control flow in inline PTX")
    if opcode.startswith("."):
        if not is_listed(opcode[1:], "directives"):
            raise Missing(f"PTX has no directive '{opcode}'; {_NO_HOST}")
        raise Unsupported(f"the PTX directive {opcode}")
    if not is_instruction(opcode):
        raise Missing(f"PTX has no instruction '{opcode}'; {_NO_HOST}")
    operands = [_operands(piece.strip(), statement) for piece in split_outside(rest, ",")] if rest.strip() else []
    code = instruction_code(opcode, operands)
    return f"{guard}{{ {code}; }}" if guard else f"{code};"


_REGISTER_TYPES = {"pred": "bool", "f32": "float", "f64": "double"}


def _declaration(line: str) -> str:
    if not (found := re.fullmatch(r"\.reg\s*\.(\w+)\s+(.*)", line)):
        raise Unsupported("a .reg directive that declares a vector")
    bits = re.fullmatch(r"[bsuf](8|16|32|64)", found[1])
    kind = _REGISTER_TYPES.get(found[1]) or (f"uint{bits[1]}_t" if bits else None)
    if kind is None:
        raise Unsupported(f"the PTX register type .{found[1]}")
    names = []
    for name in found[2].split(","):
        if several := re.fullmatch(r"\s*(%?\w+)<(\d+)>\s*", name):
            names += [f"{several[1]}{number}" for number in range(int(several[2]))]
        else:
            names.append(name.strip())
    return f"{kind} {', '.join(_register(name) for name in names)};"


def _register(name: str) -> str:
    return f"upskill_cpu_r_{name.strip('%')}"


_SPECIAL_REGISTERS = frozenset(
    ("tid", "ctaid", "ntid", "nctaid", "laneid", "warpid", "nwarpid", "smid", "nsmid", "clock", "clock64",
     "globaltimer", "lanemask_eq", "lanemask_lt", "lanemask_le", "lanemask_gt", "lanemask_ge")
)  # fmt: skip


def _operands(text: str, statement: Statement) -> Sequence[str]:
    """Translate one operand. A vector ``{a, b}`` becomes the list of its parts; an address with its offset becomes
    ``["[", base, offset]``.
    """
    if text.startswith("{"):
        return [_operand(piece.strip(), statement) for piece in text.strip("{}").split(",")]
    if text.startswith("["):
        base, _, offset = (part.strip() for part in text.strip("[] ").partition("+"))
        return ["[", _operand(base, statement), offset and _operand(offset, statement)]
    return [_operand(text, statement)]


def _operand(text: str, statement: Statement) -> str:
    text = text.replace("%%", "%")
    if text.startswith("!"):
        return f"!({_operand(text[1:].strip(), statement)})"
    if found := re.fullmatch(r"%(\d+)", text):
        if int(found[1]) >= len(statement.operands):
            raise Unsupported(f"inline PTX whose operand {text} is not given")
        return f"({statement.operands[int(found[1])]})"
    if (found := re.fullmatch(r"%\[(\w+)\]", text)) and found[1] in statement.names:
        return f"({statement.operands[statement.names.index(found[1])]})"
    return _plain_operand(text)


def _plain_operand(text: str) -> str:
    if found := re.fullmatch(r"0[fF]([0-9A-Fa-f]{8})", text):
        return f"__uint_as_float(0x{found[1]}u)"
    if re.fullmatch(r"-?(?:0[xX][0-9A-Fa-f]+|\d+)[uU]?|-?\d+\.\d*(?:[eE][-+]?\d+)?", text):
        return text
    if (found := re.fullmatch(r"%([a-z]\w*)(?:\.[xyz])?", text)) and not re.fullmatch(r"%[rpfdh]\d*", text):
        if found[1] in _SPECIAL_REGISTERS:
            return f"::upskill::cpu::ptx::special_{text[1:].replace('.', '_')}()"
        if is_listed(found[1], "registers"):
            raise Unsupported(f"the PTX register %{found[1]}")
    if re.fullmatch(r"[%_$a-zA-Z][\w$]*", text):
        return _register(text)
    raise Unsupported(f"the PTX operand {text!r}")
