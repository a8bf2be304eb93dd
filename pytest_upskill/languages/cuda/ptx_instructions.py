"""A table of the PTX instructions that the cpu device supports, with the C++ for each.

A rule's pattern matches a whole opcode. A rule's code is a format string: ``{d}`` is the destination; ``{a} {b} {c}
{e}`` are the operands after it, as values of the instruction's type ``{t}``; ``{0} {1} ...`` are operands as they were
written. ``{how}`` is the operator that the pattern's group ``how`` stands for, ``{word}`` the text of the group
``word``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Operands = Sequence[Sequence[str]]
_Builder = Callable[[re.Match[str], Operands], str]


class Unsupported(Exception):
    """Raised for inline PTX that the cpu device does not support. The message names the instruction."""


class Missing(Unsupported):
    """Raised for inline PTX that does not exist."""


NAMESPACE = "::upskill::cpu::ptx"

_TYPES = {
    "u8": "uint8_t", "s8": "int8_t", "b8": "uint8_t", "u16": "uint16_t", "s16": "int16_t", "b16": "uint16_t",
    "u32": "uint32_t", "s32": "int32_t", "b32": "uint32_t", "u64": "uint64_t", "s64": "int64_t", "b64": "uint64_t",
    "f16": "__half", "f16x2": "__half2", "bf16": "__nv_bfloat16", "bf16x2": "__nv_bfloat162", "f32": "float",
    "f64": "double", "pred": "bool",
}  # fmt: skip
_WIDER = {"u16": "uint32_t", "s16": "int32_t", "u32": "uint64_t", "s32": "int64_t"}

_T = r"\.(?P<t>[usb](?:8|16|32|64)|f16x2|bf16x2|f16|bf16|f32|f64|pred)"
_R = r"(?:\.(?:rn|rz|rm|rp|ftz|approx|full|relu|NaN))*"


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("<T>", _T).replace("<R>", _R))


_VALUES = (
    (r"(?P<how>add|sub|div)<R><T>", "{a} {how} {b}"),
    (r"mul<R>\.(?P<t>f16x2|bf16x2|f16|bf16|f32|f64)", "{a} * {b}"),
    (r"mul(?:\.lo|24\.lo)<T>", "{a} * {b}"),
    (r"mul\.hi<T>", "{ns}::high_product({a}, {b})"),
    (r"mad\.lo<T>", "{a} * {b} + {c}"),
    (r"mad\.hi<T>", "{ns}::high_product({a}, {b}) + {c}"),
    (r"(?:fma|mad)<R>\.(?P<t>f32|f64)", "{ns}::fused({a}, {b}, {c})"),
    (r"fma<R>\.(?P<t>f16|bf16)", "__hfma({a}, {b}, {c})"),
    (r"fma<R>\.(?P<t>f16x2|bf16x2)", "__hfma2({a}, {b}, {c})"),
    (r"(?P<how>rem|and|or|xor)<T>", "{a} {how} {b}"),
    (r"neg<R><T>", "-{a}"),
    (r"abs<R>\.(?P<t>s16|s32|s64|f32|f64)", "{a} < 0 ? -{a} : {a}"),
    (r"min<R>\.(?P<t>f32|f64)", "{ns}::lesser({a}, {b})"),
    (r"max<R>\.(?P<t>f32|f64)", "{ns}::greater({a}, {b})"),
    (r"(?P<how>min|max)<R>\.(?P<t>f16x2|bf16x2)", "__h{word}2({a}, {b})"),
    (r"min\.(?P<t>[us]\d+)", "{b} < {a} ? {b} : {a}"),
    (r"max\.(?P<t>[us]\d+)", "{a} < {b} ? {b} : {a}"),
    (r"not<T>", "~{a}"),
    (r"shl<T>", "{ns}::shift_left({a}, {2})"),
    (r"shr<T>", "{ns}::shift_right({a}, {2})"),
    (r"shf\.(?P<how>l|r)\.wrap\.(?P<t>b32)", "__funnelshift_{word}({a}, {b}, {c})"),
    (r"shf\.(?P<how>l|r)\.clamp\.(?P<t>b32)", "__funnelshift_{word}c({a}, {b}, {c})"),
    (r"lop3\.(?P<t>b32)", "{ns}::lookup3({a}, {b}, {c}, {4})"),
    (r"prmt\.(?P<t>b32)", "__byte_perm({a}, {b}, {c})"),
    (r"bfe\.(?P<t>[us]32|[us]64)", "{ns}::extract_bits({a}, {2}, {3})"),
    (r"(?P<how>popc|clz|brev)\.(?P<t>b32)", "__{word}({a})"),
    (r"bfi\.(?P<t>b32)", "{ns}::insert_bits({a}, {b}, {3}, {4})"),
    (r"dp4a\.(?P<t>[us]32)\.(?P=t)", "__dp4a({a}, {b}, {c})"),
    (r"selp<T>", "({3}) ? {a} : {b}"),
    (r"sqrt<R>\.(?P<t>f32|f64)", "std::sqrt({a})"),
    (r"rsqrt<R>\.(?P<t>f32|f64)", "1 / std::sqrt({a})"),
    (r"rcp<R>\.(?P<t>f32|f64)", "1 / {a}"),
    (r"ex2<R>\.(?P<t>f32)", "exp2f({a})"),
    (r"ex2<R>\.(?P<t>f16)", "hexp2({a})"),
    (r"ex2<R>\.(?P<t>f16x2)", "h2exp2({a})"),
    (r"lg2<R>\.(?P<t>f32)", "log2f({a})"),
    (r"(?P<how>sin|cos|tanh)<R>\.(?P<t>f32)", "{word}f({a})"),
    (r"mov<T>", "{a}"),
    (r"cvta(?:\.global|\.local|\.const)?\.(?P<t>u64)", "{a}"),
    (r"cvta\.to\.(?:global|local|const)\.(?P<t>u64)", "{a}"),
    (r"cvta\.shared\.(?P<t>u64)", "reinterpret_cast<uint64_t>({ns}::shared_pointer({a}))"),
    (r"cvta\.to\.shared\.(?P<t>u64|u32)", "__cvta_generic_to_shared({ns}::pointer({1}))"),
    (r"createpolicy\..*\.(?P<t>b64)", "0"),
    (r"cvt\.rna\.(?P<t>tf32)\.f32", "{ns}::round_to_tf32({ns}::as<float>({1}))"),
)  # fmt: skip
"""Rules for instructions that compute one value and write it to their destination."""

_STATEMENTS = (
    (r"mul\.wide\.(?P<t>[us](?:16|32))", "{ns}::put<{wide}>({d}, static_cast<{wide}>({a}) * {b})"),
    (r"mad\.wide\.(?P<t>[us](?:16|32))",
     "{ns}::put<{wide}>({d}, static_cast<{wide}>({a}) * {b} + {ns}::as<{wide}>({3}))"),
    (r"(?P<how>popc|clz)\.(?P<t>b64)", "{ns}::put<uint32_t>({d}, __{word}ll({a}))"),
    (r"setp\.(?P<how>eq|ne|lt|le|gt|ge)<R><T>", "{d} = {a} {how} {b}"),
    (r"set\.(?P<how>eq|ne|lt|le|gt|ge)\.u32<T>", "{ns}::put<uint32_t>({d}, {a} {how} {b} ? ~0u : 0u)"),
    (r"membar\.(?:cta)|fence(?:\.sc|\.acq_rel)\.cta", "__threadfence_block()"),
    (r"membar\.(?:gl|sys)|fence(?:\.sc|\.acq_rel)\.(?:gpu|sys)", "__threadfence()"),
    (r"(?:bar|barrier)(?:\.cta)?\.sync(?:\.aligned)?", "{ns}::barrier({all})"),
    (r"(?:bar|barrier)(?:\.cta)?\.arrive(?:\.aligned)?", "{ns}::barrier_arrive({all})"),
    (r"bar\.warp\.sync", "__syncwarp({0})"),
    (r"activemask\.b32", "{ns}::put<uint32_t>({d}, __activemask())"),
    (r"vote\.sync\.ballot\.b32", "{ns}::put<uint32_t>({d}, __ballot_sync({2}, {1}))"),
    (r"vote\.sync\.(?P<how>all|any)\.pred", "{d} = __{word}_sync({2}, {1})"),
    (r"redux\.sync\.(?P<how>add|min|max|and|or|xor)\.(?P<t>[us]32|b32)",
     "{ns}::put<{t}>({d}, __reduce_{word}_sync({2}, {a}))"),
    (r"shfl\.sync\.(?P<how>idx|up|down|bfly)\.(?P<t>b32)",
     "{ns}::put<{t}>({d}, __shfl{lane}_sync({4}, {a}, {2}, {ns}::shuffle_width({3})))"),
    (r"cp\.async\.(?:ca|cg)\.shared(?:::cta)?\.global(?:\.L2::cache_hint)?(?:\.L2::\d+B)?(?:\.L2::cache_hint)?",
     "{ns}::copy_async({shared0}, {global1}, {rest})"),
    (r"cp\.async\.commit_group", "upskill_cpu_async_commit()"),
    (r"cp\.async\.wait_group", "upskill_cpu_async_wait({0})"),
    (r"cp\.async\.wait_all", "upskill_cpu_async_wait_all()"),
    (r"prefetchu?\..*|applypriority\..*|discard\..*|griddepcontrol\..*|pmevent|brkpt", "(void)0"),
    # Without effect here, because the asynchronous operations that they wait for are traps.
    (r"wgmma\.(?:fence|commit_group|wait_group)\.sync\.aligned|fence\.(?:proxy\.[\w:.]+|mbarrier_init\.release\.cluster)|"
     r"cp\.async\.bulk\.(?:commit_group|wait_group(?:\.read)?)|setmaxnreg\.(?:inc|dec)\.sync\.aligned\.u32", "(void)0"),
    (r"nanosleep\.u32", "__nanosleep({0})"),
    (r"trap", "__trap()"),
)  # fmt: skip

_SIGNS = {
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "add": "+", "sub": "-", "div": "/",
    "rem": "%", "and": "&", "or": "|", "xor": "^",
}  # fmt: skip
_LANES = {"up": "_up", "down": "_down", "bfly": "_xor"}


def instruction_code(opcode: str, operands: Operands) -> str:
    """The C++ expression for one instruction. Raises Unsupported."""
    for pattern, rule in _RULES:
        if found := pattern.fullmatch(opcode):
            try:
                return _format(rule, found, operands) if isinstance(rule, str) else rule(found, operands)
            except (IndexError, KeyError) as error:
                raise Unsupported(f"the PTX instruction {opcode} in this form") from error
    name = next((what for prefix, what in _FAMILIES.items() if opcode.startswith(prefix)), None)
    raise Unsupported(name or f"the PTX instruction {opcode}")


_FAMILIES = {
    "wgmma": "wgmma", "cp.async.bulk": "TMA (cp.async.bulk)", "cp.reduce.async.bulk": "TMA (cp.reduce.async.bulk)",
    "tcgen05": "tcgen05", "tex": "textures", "tld4": "textures", "suld": "surfaces", "sust": "surfaces",
    "mapa": "thread block clusters (mapa)", "barrier.cluster": "thread block clusters (barrier.cluster)",
}  # fmt: skip


def _format(code: str, found: re.Match[str], operands: Operands) -> str:
    groups = found.groupdict()
    suffix = groups.get("t") or ""
    kind = "uint32_t" if suffix == "tf32" else _TYPES.get(suffix, "")
    flat = [_plain(operand) for operand in operands]
    values = [f"{NAMESPACE}::as<{kind}>({text})" if kind else text for text in flat]
    how = groups.get("how") or ""
    names = {
        "ns": NAMESPACE, "t": kind, "wide": _WIDER.get(suffix, ""), "how": _SIGNS.get(how, how), "word": how,
        "lane": _LANES.get(how, ""), "all": ", ".join(flat), "rest": ", ".join(flat[2:]), "d": flat[0] if flat else "",
        **dict(zip("abce", values[1:], strict=False)),
    }  # fmt: skip
    if "{shared0}" in code:
        names |= {"shared0": address(operands[0], "shared"), "global1": address(operands[1], "")}
    return code.format(*flat, **names)


def _plain(operand: Sequence[str]) -> str:
    return operand[0] if len(operand) == 1 else ""


def address(operand: Sequence[str], space: str) -> str:
    """A ``char*`` for ``[base+offset]`` in a state space ("" is generic, global or local)."""
    if not operand or operand[0] != "[":
        raise KeyError("no address")
    function = "shared_pointer" if space.startswith("shared") else "pointer"
    return f"{NAMESPACE}::{function}({operand[1]})" + (f" + {operand[2]}" if operand[2] else "")


def _move_vector(found: re.Match[str], operands: Operands) -> str:
    """Move a vector: ``mov.b32 %0, {%1, %2}``, and the opposite direction."""
    target, source = operands
    if len(target) == 1 and len(source) == 1:
        return _format("{ns}::put<{t}>({d}, {a})", found, operands)
    total, parts = int(found["bits"]), max(len(target), len(source))
    part = f"uint{total // parts}_t"
    if len(target) == 1:
        return f"{NAMESPACE}::pack<{part}>({target[0]}, {', '.join(source)})"
    return f"{NAMESPACE}::unpack<{part}>({source[0]}, {', '.join(target)})"


def _memory(found: re.Match[str], operands: Operands) -> str:
    """Translate ``ld`` and ``st`` with any space, cache hint and vector size."""
    modifiers = found["modifiers"].split(".")
    space = "shared" if any(word.startswith("shared") for word in modifiers) else ""
    store = found["op"] == "st"
    strong = next((word for word in modifiers if word in ("acquire", "release", "relaxed", "volatile")), "plain")
    if not store and not found["vector"] and ("cg" in modifiers or "cv" in modifiers):
        strong = "volatile" if strong == "plain" else strong  # as __ldcg and __ldcv
    place, values = (operands[0], operands[1]) if store else (operands[1], operands[0])
    kind = _TYPES[found["t"]]
    function = f"{'store' if store else 'load'}_{strong}<{kind}>"
    return f"{NAMESPACE}::{function}({address(place, space)}, {', '.join(values)})"


def _atomic(found: re.Match[str], operands: Operands) -> str:
    """Translate ``atom`` and ``red`` to the intrinsics of the same name."""
    how, modifiers = found["how"], found["modifiers"]
    function = f"atomic{'CAS' if how == 'cas' else how.capitalize()}"
    kind = {"uint64_t": "unsigned long long", "int64_t": "long long"}.get(_TYPES[found["t"]], _TYPES[found["t"]])
    if kind == "long long" and function == "atomicAdd":
        kind = "unsigned long long"
    result = found["op"] == "atom"
    rest = operands[1:] if result else operands
    place = address(rest[0], "shared" if "shared" in modifiers else "")
    values = ", ".join(f"{NAMESPACE}::as<{kind}>({_plain(value)})" for value in rest[1:])
    call = f"{function}(reinterpret_cast<{kind}*>({place}), {values})"
    call = f"{NAMESPACE}::put<{kind}>({_plain(operands[0])}, {call})" if result else call
    if "release" in modifiers or "acq_rel" in modifiers:
        call = f"(__threadfence(), {call})"
    return f"({call}, __threadfence())" if "acquire" in modifiers or "acq_rel" in modifiers else call


def _convert(found: re.Match[str], operands: Operands) -> str:
    """Translate ``cvt`` between scalar types, and from two floats to one packed word."""
    rounding, target, source = found["rounding"] or "", found["t"], found["from"]
    to_integer = target[0] in "us" and "f" in source  # such a conversion always saturates
    if "relu" in rounding or (".sat" in rounding and not to_integer):
        raise KeyError("saturating")
    if target in ("f16x2", "bf16x2"):
        high, low = (f"{NAMESPACE}::as<float>({_plain(value)})" for value in operands[1:3])
        part = _TYPES[target.removesuffix("x2")]
        pair = f"{_TYPES[target]}({part}({low}), {part}({high}))"
        return f"{NAMESPACE}::put<{_TYPES[target]}>({_plain(operands[0])}, {pair})"
    integral = next((word for word in ("rni", "rzi", "rmi", "rpi") if word in rounding), "any")
    value = f"{NAMESPACE}::as<{_TYPES[source]}>({_plain(operands[1])})"
    converted = f"{NAMESPACE}::convert_{integral}<{_TYPES[target]}>({value})"
    return f"{NAMESPACE}::put<{_TYPES[target]}>({_plain(operands[0])}, {converted})"


def _matrix_load(found: re.Match[str], operands: Operands) -> str:
    transposed, load = "true" if found["trans"] else "false", found["op"] == "ld"
    values, place = operands if load else operands[::-1]
    function = f"{NAMESPACE}::{'load' if load else 'store'}_matrices<{transposed}>"
    return f"{function}({address(place, 'shared')}, {', '.join(values)})"


_ELEMENTS = {"f16": "__half", "bf16": "__nv_bfloat16", "tf32": f"{NAMESPACE}::Tf32", "s8": "int8_t", "u8": "uint8_t"}


def _matrix_multiply(found: re.Match[str], operands: Operands) -> str:
    kinds = [_TYPES[found["d"]], _ELEMENTS[found["a"]], _ELEMENTS[found["b"]]]
    if found["d"] != found["c"]:
        raise KeyError("two accumulators")
    arrays = [f"{NAMESPACE}::words({', '.join(values)})" for values in operands[1:]]
    return f"{NAMESPACE}::multiply<{found['k']}, {', '.join(kinds)}>({', '.join([*arrays, *operands[0]])})"


_BUILDERS: tuple[tuple[re.Pattern[str], _Builder], ...] = tuple((re.compile(pattern), build) for pattern, build in (
    (r"mov\.(?P<t>b(?P<bits>16|32|64))", _move_vector),
    (r"(?P<op>ld|st)(?P<modifiers>(?:\.(?:global|shared(?:::cta)?|local|const|param|generic|nc|volatile|relaxed|acquire|"
     r"release|gpu|cta|sys|ca|cg|cs|cv|lu|wb|wt|weak|L1::\w+|L2::\w+|level::\w+))*)(?:\.(?P<vector>v[248]))?" + _T,
     _memory),
    (r"(?P<op>atom|red)(?P<modifiers>(?:\.(?:relaxed|acquire|release|acq_rel|cta|gpu|sys|global|shared(?:::cta)?))*)"
     r"\.(?P<how>add|min|max|exch|cas|and|or|xor|inc|dec)(?:\.noftz)?" + _T, _atomic),
    (r"cvt(?P<rounding>(?:\.(?:rn|rz|rm|rp|rni|rzi|rmi|rpi|ftz|sat|relu))*)" + _T + _T.replace("<t>", "<from>"),
     _convert),
    (r"(?P<op>ld|st)matrix\.sync\.aligned(?:\.m8n8\.x[124]|\.x[124](?=.*m8n8))(?P<trans>\.trans)?(?:\.m8n8)?"
     r"(?:\.shared(?:::cta)?)?\.b16", _matrix_load),
    (r"mma\.sync\.aligned\.m16n8k(?P<k>4|8|16|32)\.row\.col(?:\.satfinite)?\.(?P<d>f32|f16|s32)\."
     r"(?P<a>f16|bf16|tf32|s8|u8)\.(?P<b>f16|bf16|tf32|s8|u8)\.(?P<c>f32|f16|s32)", _matrix_multiply),
))  # fmt: skip
_RULES: tuple[tuple[re.Pattern[str], str | _Builder], ...] = (
    *_BUILDERS,
    *((_compiled(pattern), f"{{ns}}::put<{{t}}>({{d}}, {value})") for pattern, value in _VALUES),
    *((_compiled(pattern), code) for pattern, code in _STATEMENTS),
)
