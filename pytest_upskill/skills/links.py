"""Gives advice on the files that a ``SKILL.md`` names: whether they exist, and whether they are part of the skill.

Files are compared by their resolved paths, so ``./a.md``, ``references/../a.md`` and ``{baseDir}/a.md`` are the same
file, and advice on a file is given only once. A path with a placeholder that a reader must fill in is not a link.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import normpath, relpath
from pathlib import Path
from urllib.parse import quote, unquote

from pytest_upskill.documents.markdown import FenceReader

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
_LINK = re.compile(
    r"\]\(\s*(?:<([^<>\n]*)>|((?:[^\s()<>]|\([^\s()]*\)|<[^<>\s]*>){1,999}+))"
    r"(?:\s+(?:\"[^\"\n]{0,999}\"|'[^'\n]{0,999}'|\([^()\n]{0,999}\)))?\s*\)"
)
_DEFINITION = re.compile(r" {0,3}\[(?!\^)[^\]\n]+\]:\s+(?:<([^<>\n]*)>|(\S+))\s*(?:[\"'(].*)?\Z")
"""The target of ``[label]: target``, CommonMark 0.31, section 4.7."""
_PLACEHOLDER = r"(?:\$?\{\{?[^{}\n]*\}?\}|<[^<>\n]+>|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%)"
_LEADING = re.compile(rf"({_PLACEHOLDER})/(.*)")
_OWN_FOLDER = re.compile(
    r"(?:this|current|agent|claude|codex)?(?:base|skill|skillbase)(?:dir|directory|folder|path|root|home)\Z|thisskill\Z"
)
"""The letters of a placeholder for the skill's own folder, as in ``{baseDir}``, ``${CLAUDE_SKILL_DIR}`` or
``<skill-path>``."""
_MENTION = re.compile(
    rf"(?<![\w./:$%>}}-])((?:{_PLACEHOLDER}/|(?:\.\.?/)+)?"
    r"(?:references|scripts|assets)/[\w./-]*\.\w+)(?![\w*<{/]|\.[\w*<{])"
)
"""A path into one of the folders that the specification names. It counts even if it is not a link."""
_NOT_A_FILE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!\d+(?:[:-]\d+)*\Z)|//|~|www\.")
"""The beginning of a URL, or of a path in the home folder."""
_LINE = re.compile(r":\d+(?:[:-]\d+)*\Z")
"""A line number, or a range of lines, at the end of a path."""
_TEMPLATE = re.compile(
    r"[*{}<>$|\[\]]|XXX|your[_-]|\.\.\.|…|(?:\A|/)path/to/|\A(?:url|uri|link|path|file|href|target)\Z", re.IGNORECASE
)
"""A part of a path that a reader must fill in, so that no file has this path."""
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_FOLDER = re.compile(r"(?<![\w-])(?<![\w-]/)((?:[\w-]++/)++)(?![\w.-])")  # possessive, so that time is always linear
"""A folder, or the folder of a pattern: ``references/``, ``references/*.md``, ``references/{topic}.md``."""
_OWN_PREFIX = re.compile(r"\A(?:\.\.?/|__\w+__/)+")


@dataclass(frozen=True, slots=True)
class _Target:
    """A file that a text names: the path as written, the line, and the path relative to the skill's folder."""

    written: str
    line: int
    path: str

    @property
    def is_outside(self) -> bool:
        return self.path.startswith(("../", "/")) or self.path == ".."

    @property
    def is_markdown(self) -> bool:
        return self.path.lower().endswith((".md", ".markdown"))


def advice(body: Sequence[str], first: int, folder: Path) -> Iterator[tuple[str, int]]:
    """Advice on the files that the body of a ``SKILL.md`` names, each with its line.

    ``first`` is the line of the file at which the body begins.
    """
    targets: dict[str, _Target] = {}
    for target in _targets(body, first, folder, folder):
        targets.setdefault(target.path, target)
    named = _Named(body, targets, folder)
    told: set[str] = set()
    for target in targets.values():
        if target.is_outside:
            yield _outside(target, folder), target.line
        elif not _exists(folder / target.path):
            yield f"'{target.written}' does not exist: add the file, or correct the link", target.line
        elif target.path.count("/") > 1:
            deep = "is more than one level deep: keep references next to SKILL.md"
            yield f"'{target.written}' {deep}", target.line
        elif target.is_markdown:
            for further in _chain(target, folder):
                if further.path not in told and not named.has(further.path):
                    told.add(further.path)
                    leads = f"'{target.written}' leads on to '{further.written}'"
                    yield f"{leads}: link that from SKILL.md, one level deep", target.line


def _outside(target: _Target, folder: Path) -> str:
    inside = target.path.lstrip("/")
    if target.path.startswith("/") and _exists(folder / inside):
        return f"'{target.written}' begins at the root of the file system: write '{inside}'"
    if Path(target.path).name.lower() == "skill.md" or _exists(folder / target.path / "SKILL.md"):
        return f"'{target.written}' is another skill, which may not be installed: refer to it by its name"
    return f"'{target.written}' is outside the skill's folder and is not copied with it: move it there"


class _Named:
    """The files of a skill that an agent knows after it has read the ``SKILL.md``.

    The ``SKILL.md`` can name a file by a link, by its folder, by a pattern, or by its name in the text, for example in
    a tree of files.
    """

    def __init__(self, body: Sequence[str], targets: dict[str, _Target], folder: Path) -> None:
        self._text, self._folder = "\n".join(body), folder
        self._paths = {"SKILL.md", "skill.md", *targets}
        self._folders = {path for path in targets if not path.endswith(".md") and (folder / path).is_dir()}
        self._folders |= {found.rstrip("/") for found in _FOLDER.findall(self._text)}

    def has(self, path: str) -> bool:
        """Whether the text names the file at ``path``, which is relative to the skill's folder."""
        if path in self._paths or str(Path(path).parent) in self._folders:
            return True
        stem, *names = (re.escape(name) for name in (Path(path).stem, Path(path).name, quote(Path(path).name)))
        whole = (
            rf"(?:{'|'.join(names)})|(?<=[/\[]){stem}(?=[\s`\]|)]|[.,;:](?:\s|\Z)|\Z)"  # a wiki's links have no suffix
        )
        written = re.finditer(rf"(?<![\w%-])((?:[\w.-]+/)*)(?:{whole})(?![\w-])", self._text)
        own = "/".join(["", self._folder.name, *Path(path).parent.parts, ""])
        folders = ("/" + _OWN_PREFIX.sub("", found[1]) for found in written)
        return any(own.endswith(folder) or folder.endswith(own) for folder in folders)


def _chain(target: _Target, folder: Path) -> Iterator[_Target]:
    """The other Markdown files of the skill that the Markdown file ``target`` names."""
    path = folder / target.path
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:  # a folder, or a file that a student cannot read either
        return
    for further in _targets(lines, 1, path.parent, folder):
        is_other = further.path != target.path and not further.is_outside and further.is_markdown
        if is_other and _exists(folder / further.path):
            yield further


def _targets(lines: Sequence[str], first: int, base: Path, folder: Path) -> Iterator[_Target]:
    """The files that the prose of a file names, by links or otherwise. The file is in the folder ``base``."""
    reader = FenceReader()
    lines = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), "\n".join(lines)).split("\n")
    for number, line in enumerate(lines, first):
        inside = reader.inside
        reader.feed(number, line)
        if inside or reader.inside:
            continue
        prose = _CODE.sub("", line)
        links = [found.group(1) or found.group(2) for found in _LINK.finditer(prose)]
        if (definition := _DEFINITION.match(prose)) is not None:
            links.append(definition.group(1) or definition.group(2))
        for written in dict.fromkeys([*filter(None, links), *_MENTION.findall(line)]):
            if (found := _read(written, base, folder)) is not None:
                yield _Target(found[0], number, found[1])


def _read(written: str, base: Path, folder: Path) -> tuple[str, str] | None:
    """A link's target as written but without its fragment, and its path relative to the skill's folder.

    None if the target is not a file.
    """
    shown = unquote(_ESCAPED.sub(r"\1", written).partition("#")[0]).strip()
    if (leading := _LEADING.match(shown)) is not None:
        own = _OWN_FOLDER.match(re.sub(r"[^a-z]", "", leading[1].lower()))
        return _resolved(shown, leading[2], [folder], folder) if own else None
    return _resolved(shown, shown, [base, folder], folder)


def _resolved(shown: str, target: str, bases: Sequence[Path], folder: Path) -> tuple[str, str] | None:
    """The target as shown, and its path relative to the skill's folder. None if the target is not a file.

    The target is relative to the first of the folders ``bases`` that contains it or, if none does, to the first one.
    """
    if not target or _NOT_A_FILE.match(target) or _TEMPLATE.search(target):
        return None
    if target.startswith("/"):
        # Without a suffix, the target is more likely a page of a web site.
        known = Path(target).suffix or _exists(Path(target)) or _exists(folder / target[1:])
        return (shown, normpath(target)) if known else None
    if "?" in target and not _exists(bases[0] / target):
        target = target.partition("?")[0]
    if not _exists(bases[0] / target):
        target = _LINE.sub("", target.rstrip("/") or target)
    paths = [relpath(normpath(base / target), folder) for base in bases]
    return _LINE.sub("", shown), next((path for path in paths if _exists(folder / path)), paths[0])


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the name is too long, or a folder must not be read
        return False
