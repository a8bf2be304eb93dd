"""Makes pytest_upskill/languages/cuda/cuda_names.txt: what exists in CUDA, for machines without nvcc.

    python tools/cuda_names.py /usr/local/cuda [INCLUDE ...]

reads the headers of a toolkit (and further folders of headers: cuBLAS, cuRAND, ... from PyPI), and asks its ptxas which
words are PTX instructions, modifiers, directives and special registers. Needs the binutils' `strings`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "pytest_upskill" / "languages" / "cuda" / "cuda_names.txt"
WIDTH = 118

_COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"', re.DOTALL)
_UNINTERESTING = re.compile(
    r"_v\d+$|_(?:64|ptsz|ptds|st|enum|H|H_|INCLUDED)$|TILE_|CLUSTER_SHAPE|_STAGES_|DEVICE_ATTRIBUTE_|^CUPTI|_ERROR_|"
    r"(?i:egl|vdpau|nvsci)|^cudart|_impl|RES_VIEW|cudaError[A-Z]|_FORMAT_[UB]"
)
_OF_CUDA = re.compile(
    r"(?:cuda|cu|nvrtc|nvJitLink|PFN_cu)[A-Z]\w*|(?:cublas|curand|cufft|cusparse|cusolver)\w+|"
    r"(?:CU|CUDA|CUBLAS|CURAND|CUFFT|CUSPARSE|CUSOLVER|NVRTC)_?\w+|__nv_\w+|__(?:cluster|grid)\w*|"
    r"(?:tex|surf)(?:[123]D|Cube)\w*|tex1Dfetch|(?:texture|surface)(?:Reference)?|cluster(?:Dim|Idx|GridDim)\w*"
)
_FUNCTION = re.compile(
    r"(?:__device__|\w*__DECL\w*__|__DEVICE\w*__|_CG_\w*QUALIFIER|_CCCL_\w+)[^;{}()=#]*?\b(\w+)\s*\("
)
_KIND = re.compile(r"\b(?:struct|class|enum|using|namespace|concept)\s+([a-z]\w+|[A-Z]\w+)")
_DECLARED = re.compile(r"^[ \t]*(?:[\w:<>&*,]+[ \t]+)+([a-z][a-z0-9_]+)\(", re.MULTILINE)
_PLAIN = {"any", "all", "delete", "new", "malloc", "free", "memcpy", "memset", "printf"}
_KEYWORDS = {
    "class",
    "typename",
    "operator",
    "if",
    "for",
    "while",
    "return",
    "sizeof",
    "switch",
    "decltype",
    "static_cast",
}
_IN_NAMESPACE = re.compile(r"cooperative_groups|/mma\.h|cuda_(?:pipeline|awbarrier)|nvtx")
_NAMESPACES = ("thrust", "cub", "cuda", "nv")
_PRIVATE = re.compile(r"/(?:detail|__[a-z]\w*|system|std|libcxx|experimental/__\w+|agent|util_\w+)(?:/|$)")
_SPECIAL_REGISTERS = [
    "tid",
    "ntid",
    "laneid",
    "warpid",
    "nwarpid",
    "ctaid",
    "nctaid",
    "smid",
    "nsmid",
    "gridid",
    "is_explicit_cluster",
    "clusterid",
    "nclusterid",
    "cluster_ctaid",
    "cluster_nctaid",
    "cluster_ctarank",
    "cluster_nctarank",
    "lanemask_eq",
    "lanemask_le",
    "lanemask_lt",
    "lanemask_ge",
    "lanemask_gt",
    "clock",
    "clock_hi",
    "clock64",
    "globaltimer",
    "globaltimer_lo",
    "globaltimer_hi",
    "reserved_smem_offset_begin",
    "reserved_smem_offset_end",
    "reserved_smem_offset_cap",
    "total_smem_size",
    "aggr_smem_size",
    "dynamic_smem_size",
    "current_graph_exec",
    "pm0",
    "pm1",
    "pm2",
    "pm3",
    "pm4",
    "pm5",
    "pm6",
    "pm7",
    "pm0_64",
    "envreg0",
    "envreg1",
]
_DIRECTIVES = [
    "reg",
    "sreg",
    "const",
    "global",
    "local",
    "param",
    "shared",
    "tex",
    "align",
    "ptr",
    "func",
    "entry",
    "alias",
    "extern",
    "visible",
    "weak",
    "common",
    "version",
    "target",
    "address_size",
    "maxnreg",
    "maxntid",
    "reqntid",
    "minnctapersm",
    "maxnctapersm",
    "noreturn",
    "pragma",
    "branchtargets",
    "calltargets",
    "callprototype",
    "loc",
    "file",
    "section",
    "reqnctapercluster",
    "explicitcluster",
    "maxclusterrank",
    "abi_preserve",
    "abi_preserve_control",
    "attribute",
    "blocksareclusters",
]


_WITHOUT_OPERANDS = [
    "call",
    "cp.async.commit_group",
    "cp.async.wait_all",
    "cp.async.bulk.commit_group",
    "cp.reduce.async.bulk.tensor",
    "barrier.cluster.arrive",
    "barrier.cluster.wait",
    "clusterlaunchcontrol.try_cancel",
    "clusterlaunchcontrol.query_cancel",
]
"""Instructions that ptxas accepts, or does not name, as they are asked about here."""


def main() -> int:
    """Writes the table; exit status 0."""
    root, *more = map(Path, sys.argv[1:])
    ptxas, include = root / "bin" / "ptxas", root / "include"
    said = subprocess.run([ptxas, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"release (\S+), (\S+)", said)
    assert version is not None, said
    instructions, modifiers = instructions_of(ptxas, candidates(root))
    headers = sorted(names_of_headers([include, include / "cccl", *more]))
    parts = {
        "instructions": instructions,
        "modifiers": modifiers,
        "directives": sorted(_DIRECTIVES),
        "registers": sorted(_SPECIAL_REGISTERS),
        "headers": headers,
        "names": sorted(names([include, *more])),
        "members": sorted(members(include)),
    }
    lines = [
        "# What exists in CUDA: a table for machines without nvcc. Made by tools/cuda_names.py; do not edit.",
        f"# CUDA {version[1]} ({version[2]}). Each word begins with the number (base 36) of characters that it",
        "# shares with the word before it.",
    ]
    for title, words in parts.items():
        lines += [f"[{title}]", *wrapped(front_coded(words))]
    TARGET.write_text("\n".join(lines) + "\n", encoding="ascii")
    print({title: len(words) for title, words in parts.items()}, TARGET.stat().st_size, "bytes")
    return 0


def candidates(root: Path) -> set[str]:
    """Words that may be instructions or modifiers: those in ptxas, in the compiler and in headers with PTX."""
    texts = [
        subprocess.run(["strings", "-n", "2", file], capture_output=True, text=True, check=True).stdout
        for file in (root / "bin" / "ptxas", root / "nvvm" / "bin" / "cicc")
    ]
    texts += [file.read_text(errors="replace") for file in (root / "include").rglob("*.h*")]
    words: set[str] = set()
    for text in texts:
        for match in re.finditer(r"[a-zA-Z][a-zA-Z0-9_]*(?:(?:\.|::)[a-zA-Z0-9_]+)*", text):
            pieces = match[0].split(".")
            words.update(pieces)
            words.update(".".join(pieces[:count]) for count in (2, 3, 4) if len(pieces) >= count)
    return {word for word in words if 1 < len(word) < 48}


def instructions_of(ptxas: Path, words: Iterable[str]) -> tuple[list[str], list[str]]:
    """The words that ptxas knows as instructions, and those that it knows as modifiers."""
    plain = sorted(word for word in words if re.fullmatch(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*", word))
    single = [word for word in plain if "." not in word]
    said = list(_answers(ptxas, [f"{word};" for word in single]))
    known = {word for word, answer in zip(single, said, strict=True) if "any known instruction" not in answer}
    # "wgmma.fence" is one instruction, and "wgmma" alone is none.
    dotted = [word for word in plain if "." in word]
    said = list(_answers(ptxas, [f"{word};" for word in dotted]))
    known |= {
        word for word, answer in zip(dotted, said, strict=True) if f" '{word}'" in answer and "any known" not in answer
    }
    known |= set(_WITHOUT_OPERANDS)
    modifiers = sorted(word for word in words if re.fullmatch(r"[a-zA-Z0-9_]+(?:::[a-zA-Z0-9_]+)*", word))
    said = list(_answers(ptxas, [f"add.{word};" for word in modifiers]))
    return sorted(known), [
        word for word, one in zip(modifiers, said, strict=True) if one and "Unknown modifier" not in one
    ]


def _answers(ptxas: Path, lines: list[str]) -> Iterator[str]:
    """What ptxas says of each line. A line that ends the parser is taken out, and is no name of anything."""
    size = 250
    for begin in range(0, len(lines), size):
        yield from _ask(ptxas, lines[begin : begin + size])


def _ask(ptxas: Path, lines: list[str]) -> list[str]:
    found = [""] * len(lines)
    left = list(range(len(lines)))
    while left:
        said: dict[int, str] = {}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "words.ptx"
            head = ".version 9.0\n.target sm_100a\n.address_size 64\n.visible .entry k() {\n"
            file.write_text(head + "\n".join(lines[number] for number in left) + "\nret;\n}\n")
            line = [ptxas, "-arch=sm_100a", file, "-o", "/dev/null"]
            ran = subprocess.run(line, capture_output=True, text=True, check=False)
        for match in re.finditer(r"line (\d+); (error|fatal)\s*: (.*)", ran.stdout + ran.stderr):
            said[int(match[1])] = said.get(int(match[1]), "") + match[2] + match[3]
        broken = next((line for line, text in said.items() if text.startswith("fatal")), None)
        silent = any(position + 5 not in said for position in range(len(left)))
        if broken is None and silent and len(left) > 1:  # it may have stopped; half of the lines at a time
            middle = len(left) // 2
            halves = (left[:middle], left[middle:])
            for half in halves:
                for number, answer in zip(half, _ask(ptxas, [lines[number] for number in half]), strict=True):
                    found[number] = answer
            break
        if broken is None:
            for position, number in enumerate(left):
                found[number] = said.get(position + 5, "")
            break
        position = min(max(broken - 5, 0), len(left) - 1)
        found[left[position]] = "Not a name of any known instruction; Unknown modifier"
        del left[position]
    return found


def names_of_headers(folders: Iterable[Path]) -> Iterator[str]:
    """Headers that a program may include."""
    for folder in folders:
        for file in folder.rglob("*"):
            name = str(file.relative_to(folder))
            private = name.startswith(("cccl", "crt", "Open", "generated", "cupti", "nvperf"))
            private = private or _PRIVATE.search(f"/{name}") is not None
            if file.is_file() and not private and file.suffix in ("", ".h", ".hpp", ".cuh"):
                yield name


def names(includes: Iterable[Path]) -> set[str]:
    """Functions, types, macros and constants of CUDA's headers."""
    found = {"clusterIdx", "clusterDim", "texture", "surface"}
    for folder in includes:
        for file in folder.rglob("*.h*"):
            if "cccl" in file.parts or file.name.startswith(("cupti", "generated", "nvperf", "nvtx")):
                continue
            if _IN_NAMESPACE.search(str(file)):
                continue
            text = _COMMENT.sub(" ", file.read_text(errors="replace"))
            found |= {word for word in re.findall(r"[A-Za-z_]\w+", text) if _OF_CUDA.fullmatch(word)}
            found |= {
                word for word in _FUNCTION.findall(text) if not word.startswith(("_CG", "__internal", "operator"))
            }
    return {word for word in found if not _UNINTERESTING.search(word) and word.isascii()} - _PLAIN


def members(include: Path) -> set[str]:
    """Names in the namespaces of CUDA's C++ libraries."""
    found, cccl = {"device", "experimental", "ptx"}, include / "cccl"
    for file in include.rglob("*.h*"):
        if "cccl" not in file.parts and _IN_NAMESPACE.search(str(file)):
            text = _COMMENT.sub(" ", file.read_text(errors="replace"))
            found |= {*_KIND.findall(text), *_FUNCTION.findall(text)}
    for folder in _NAMESPACES:
        for file in (cccl / folder).rglob("*"):
            if file.is_file() and not _PRIVATE.search(f"/{file.relative_to(cccl).parent}"):
                text = _COMMENT.sub(" ", file.read_text(errors="replace"))
                found |= {*_KIND.findall(text), *_DECLARED.findall(text), *_FUNCTION.findall(text)}
    for file in (cccl / "cuda" / "__ptx").rglob("*.h"):
        found |= set(_DECLARED.findall(_COMMENT.sub(" ", file.read_text(errors="replace"))))
    return {word for word in found if word.isascii() and not word.startswith("_") and word not in _KEYWORDS}


def front_coded(words: Iterable[str]) -> Iterator[str]:
    """Each word as the number of characters that it shares with the one before, and the rest."""
    digits, before = "0123456789abcdefghijklmnopqrstuvwxyz", ""
    for word in words:
        shared = next(
            (n for n, (a, b) in enumerate(zip(before, word, strict=False)) if a != b), min(len(before), len(word))
        )
        shared = min(shared, len(digits) - 1)
        yield digits[shared] + word[shared:]
        before = word


def wrapped(words: Iterable[str]) -> Iterator[str]:
    """Lines of words."""
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    yield line


if __name__ == "__main__":
    sys.exit(main())
