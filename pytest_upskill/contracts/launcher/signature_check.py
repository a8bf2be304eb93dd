"""Checks that a definition has the required signature. Any spelling of the right types passes.

Types that are not known here, and definitions that a macro writes, are left to the compiler.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_upskill.contracts.launcher.signature import Parameter, Signature, declaration
from pytest_upskill.languages.cuda.parser import Definition, split_list
from pytest_upskill.languages.cuda.source_text import blank_out

_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "float": ("float",),
    "double": ("double",),
    "__half": ("__half", "half"),
    "__nv_bfloat16": ("__nv_bfloat16", "nv_bfloat16"),
    "int8_t": ("int8_t", "char signed"),
    "uint8_t": ("uint8_t", "char unsigned"),
    "int16_t": ("int16_t", "short", "int short", "short signed", "int short signed"),
    "int32_t": ("int32_t", "int", "signed", "int signed"),
    "int64_t": (
        "int64_t", "long", "int long", "long signed", "int long signed", "ptrdiff_t", "ssize_t", "intptr_t",
    ),
    "bool": ("bool",),
    "char": ("char",),
    "uint16_t": ("uint16_t", "short unsigned", "int short unsigned", "ushort"),
    "uint32_t": ("uint32_t", "unsigned", "int unsigned", "uint"),
    "uint64_t": ("uint64_t", "long unsigned", "int long unsigned", "size_t", "ulong", "uintptr_t"),
    "long long": ("long long", "int long long", "long long signed", "int long long signed"),
    "unsigned long long": ("long long unsigned", "int long long unsigned"),
    "void": ("void",),
    "cudaStream_t": ("cudaStream_t", "CUstream"),
    "cudaError_t": ("cudaError_t",),
}  # fmt: skip
_CANONICAL = {spelling: canonical for canonical, spellings in _SPELLINGS.items() for spelling in spellings}
_VECTOR = re.compile(r"(?:u?char|u?short|u?int|u?long|u?longlong|float|double)[1-4]\Z|(?:__)?half2\Z|__nv_bfloat162\Z")
_NOT_VALUES = ("void", "cudaStream_t", "cudaError_t")

_NOISE = re.compile(
    r"\[\[.*?\]\]|__attribute__\s*\(\(.*?\)\)|__declspec\s*\(.*?\)|alignas\s*\(.*?\)|"
    r"\b(?:__restrict__|__restrict|restrict|volatile|register|typename|struct|__grid_constant__|__host__)\b",
    re.DOTALL,
)
_TOKEN = re.compile(r"[A-Za-z_]\w*|::|\*|&&|&|\[[^\]]*\]|<[^<>]*(?:<[^<>]*>[^<>]*)*>|\(|\)|\.\.\.|\S")
_WORD = re.compile(r"[A-Za-z_]\w*\Z")
_TYPE_WORDS = frozenset(("signed", "unsigned", "short", "long", "int", "char", "float", "double", "bool", "void"))


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter as a student declared it. ``type`` is the canonical name if the type is ``known``, otherwise as
    written.
    """

    type: str
    known: bool
    const: bool
    pointers: int
    reference: bool
    text: str

    @property
    def by_value(self) -> bool:
        """Whether an argument can be passed by value."""
        return not self.reference or self.const


def mismatch(definitions: Sequence[Definition], signature: Signature, source: str) -> str | None:
    """Why none of these definitions is the required function; None if one is."""
    eligible = sorted(_eligible(definitions), key=lambda one: _rank(one, signature), reverse=True)
    complaints = [_complaint(definition, signature, source) for definition in eligible]
    if None in complaints:
        return None
    best = complaints[0] if complaints else "has specialisations, but no template"
    return f"'{signature.name}' {best}; asked for:\n{declaration(signature)}"


def _eligible(definitions: Sequence[Definition]) -> list[Definition]:
    """The definitions at global scope. If a template has specialisations, its declaration counts, too, because it may
    have no body.
    """
    ours = [definition for definition in definitions if definition.inside is None]
    whole = [definition for definition in ours if definition.body and not definition.specialised]
    if any(definition.body and definition.specialised for definition in ours):
        whole += [definition for definition in ours if not definition.body and not definition.specialised]
    return whole


def _rank(definition: Definition, signature: Signature) -> int:
    same = definition.parameters is not None and len(definition.parameters) == len(signature.parameters)
    return 2 * same + ("__global__" not in definition.head)


def _complaint(definition: Definition, signature: Signature, source: str) -> str | None:
    if definition.parameters is None:
        return None
    template, head = _template_of(definition.head)
    if re.search(r"\b__global__\b", head):
        return "is a kernel (__global__); a host function that launches kernels was asked for"
    if re.search(r"\b__device__\b", head) and not re.search(r"\b__host__\b", head):
        return "is a device function (__device__); a host function was asked for"
    return (
        _template_complaint(template, signature)
        or _result_complaint(head)
        or _parameters_complaint(definition.parameters, template or (), signature, source)
    )


def _template_of(head: str) -> tuple[tuple[str, ...] | None, str]:
    """The parameters of a template (None if the head is not a template's), and the text that follows them."""
    if (match := re.match(r"\s*(?:extern\s+)?template\s*<", head)) is None:
        return None, head
    depth, end = 1, len(head)
    for bracket in re.compile("[<>]").finditer(head, match.end()):
        depth += 1 if bracket[0] == "<" else -1
        if depth == 0:
            end = bracket.end()
            break
    return split_list(head[match.end() : end - 1]), head[end:]


def _template_complaint(template: tuple[str, ...] | None, signature: Signature) -> str | None:
    if not signature.template:
        return None if template is None else "is a template; a plain function was asked for"
    if template is None:
        return "is not a template; 'template <typename scalar_t>' was asked for"
    if not template or not re.match(r"(?:typename|class)\b(?!\s*\.)", template[0]):
        given = f"is 'template <{', '.join(template)}>'"
        return f"{given}, whose first parameter is not a type; 'template <typename scalar_t>' was asked for"
    for extra in template[1:]:
        if "=" not in extra and "..." not in extra and not re.match(r"(?:typename|class)\b", extra):
            return f"has a template parameter '{extra}' without a default; 'template <typename scalar_t>' was asked for"
    return None


def _result_complaint(head: str) -> str | None:
    words: list[str] = re.findall(r"[A-Za-z_]\w*|\*", _NOISE.sub(" ", head))
    if ("void" in words and "*" not in words) or "auto" in words:
        return None
    given = [word for word in words if word not in ("static", "inline", "extern", "constexpr", "__forceinline__")]
    if given and all(word in _CANONICAL or word in _TYPE_WORDS or word == "*" for word in given):
        return f"returns '{' '.join(given)}', not void"
    return None


def _parameters_complaint(
    parameters: Sequence[str], template: tuple[str, ...], signature: Signature, source: str
) -> str | None:
    wanted = signature.parameters
    if any("..." in parameter for parameter in parameters):
        return None
    if len(parameters) != len(wanted):
        shown = ", ".join(" ".join(parameter.split()) for parameter in parameters)
        return f"has {len(parameters)} parameters, not {len(wanted)}: ({shown})"
    types = [match[1] for extra in template if (match := re.match(r"(?:typename|class)\s+(\w+)", extra))]
    scalar = types[0] if template and types else None
    for index, (text, parameter) in enumerate(zip(parameters, wanted, strict=True), 1):
        found = _declared(text, scalar, source)
        if (found.known or found.type not in types) and not _fits(found, parameter):
            hint = " (long long is another type than int64_t)" if found.type == "long long" and found.pointers else ""
            return f"has '{found.text}' as parameter {index}, where '{parameter.declared}' was asked for{hint}"
    return None


def _fits(found: Declared, wanted: Parameter) -> bool:
    if wanted.role == "stream":
        return not found.known or (found.type == "cudaStream_t" and not found.pointers and found.by_value)
    if not found.known and not (wanted.pointer and found.pointers):
        return True
    if wanted.pointer:
        same = not found.known or found.type == wanted.ctype
        return same and found.pointers == 1 and found.const == (wanted.role == "input") and not found.reference
    return found.pointers == 0 and found.by_value and found.type not in _NOT_VALUES and not _VECTOR.match(found.type)


def _declared(text: str, scalar: str | None, source: str) -> Declared:
    plain = " ".join(text.split())
    tokens = _TOKEN.findall(_NOISE.sub(" ", plain).partition("=")[0])
    first = next((index for index, token in enumerate(tokens) if token in ("*", "&", "&&")), len(tokens))
    rest = tokens[first:]
    words = [word for word in tokens[:first] if word not in ("const", "constexpr") and not word.startswith("[")]
    name, known = _canonical(words if rest else _without_name(words), scalar, source)
    const = "const" in tokens[:first] or name.startswith("const ")
    pointers = rest.count("*") + sum(token.startswith("[") for token in tokens) + name.count("*")
    reference = "&" in rest or "&&" in rest
    return Declared(name.rstrip("* ").removeprefix("const "), known, const, pointers, reference, plain)


def _without_name(words: list[str]) -> list[str]:
    """The words of a declaration without the parameter's name: ``int64_t rows`` becomes ``int64_t``. ``int64_t`` and
    ``unsigned int`` stay as they are.
    """
    if len(words) < 2 or not _WORD.match(words[-1]) or words[-1] in _TYPE_WORDS or words[-2] == "::":
        return words
    return words[:-1]


def _canonical(words: list[str], scalar: str | None, source: str, depth: int = 0) -> tuple[str, bool]:
    """The canonical name of a type, and whether the type is known. Aliases that the source defines are resolved."""
    words = words[1:] if words[:1] == ["::"] else words
    words = words[2:] if words[:2] == ["std", "::"] else words
    spelled = " ".join(sorted(words))
    if len(words) == 1 and words[0] == scalar:
        return "scalar_t", True
    if spelled in _CANONICAL:
        return _CANONICAL[spelled], True
    if len(words) == 1 and _VECTOR.match(words[0]):
        return words[0], True
    meant = _alias(words[0], source) if len(words) == 1 and depth < 4 else None
    if meant is None:
        return "".join(words), False
    tokens = _TOKEN.findall(_NOISE.sub(" ", meant))
    inner, known = _canonical([token for token in tokens if token not in ("*", "const")], scalar, source, depth + 1)
    return ("const " if "const" in tokens else "") + inner + "*" * tokens.count("*"), known


def _alias(word: str, source: str) -> str | None:
    """The meaning that ``using``, ``typedef`` or ``#define`` in the source gives to a word; None if there is none."""
    masked = blank_out(source)
    for pattern in (
        rf"\busing\s+{word}\s*=\s*([^;{{}}]{{1,200}});",
        rf"\btypedef\s+([^;{{}}]{{1,200}}?)\s*\b{word}\s*;",
        rf"(?m)^[ \t]*#[ \t]*define[ \t]+{word}[ \t]+([^\n\\]+)$",
    ):
        if match := re.search(pattern, masked):
            return match[1]
    return None
