"""Arms: what a student gets in addition to the task, and how much of a skill it sees.

In the arm ``skill``, the student gets the skill's text; in ``baseline``, nothing; in ``placebo``, an unrelated text of
the same length; in ``previous:REVISION``, the skill as it was at another git revision. ``repeat`` is the skill's arm
once more, with further trials, so that an A/A run can compare two arms that do not differ. The mode of disclosure says
what the student sees of a skill. It never sees the files in ``evals/`` or ``cassettes/``.

``body``    the text of the SKILL.md and the names of its references: what an agent sees when it opens the skill
``full``    the same, and the text of every file in ``references/`` and ``scripts/``
``tools``   the frontmatter, and a tool with which the student reads files, as agents do
"""

import hashlib
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path

from pytest_upskill.documents.frontmatter import read_text
from pytest_upskill.errors import SkillError
from pytest_upskill.skills.skill import Skill, parse_skill

SKILL, BASELINE, REPEAT = "skill", "baseline", "repeat"
AA_ARMS = f"{SKILL},{SKILL}"
"""The arms that a user gives for an A/A run."""
CONTROL_ARMS = ("baseline", "placebo", "previous", REPEAT)
"""Arms that are only for comparison. Failures in these arms never fail a run."""
MODES = ("body", "full", "tools")
FOLDERS = ("references", "scripts")
"""The folders whose files a student may read in addition to the SKILL.md."""
LARGEST_FILE = 256 * 1024
"""Files with more bytes than this are not disclosed."""
SKILL_FILE = "SKILL.md"


@dataclass(frozen=True, slots=True)
class Guidance:
    """What an arm adds to the prompt: a text, and files by path that a tool reads. Without files, there is no tool."""

    text: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A skill on disk or at a git revision: the text of its SKILL.md, and the names and contents of its other files."""

    skill: Skill
    text: str
    names: Sequence[str]
    read: Callable[[str], bytes]


def slug(arm: str) -> str:
    """The arm as ids and file names spell it: ``previous:HEAD~1`` becomes ``previous-HEAD-1``."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", arm).strip("-")


def asked_as(arm: str) -> str:
    """The slug of the arm under which an arm's questions are asked: ``skill`` for ``repeat``, else the arm's own."""
    return SKILL if arm == REPEAT else slug(arm)


def is_control(arm: str) -> bool:
    """Whether an arm, given by its name or its slug, is only for comparison."""
    return re.split(r"[:-]", arm, maxsplit=1)[0] in CONTROL_ARMS


def guidance(arm: str, skill_path: Path, mode: str = "body", text: str | None = None) -> Guidance | None:
    """What an arm adds to the prompt, or None if it adds nothing. ``mode`` is one of MODES. Raises SkillError.

    If ``text`` is given, it replaces the text of the SKILL.md, in all arms.
    """
    if text is not None:
        return _disclose(replace(_on_disk(skill_path), skill=parse_skill(text, skill_path), text=text), mode)
    if arm == "baseline":
        return None
    if arm.startswith("previous:"):
        return _disclose(_at_revision(skill_path, arm.partition(":")[2]), mode)
    shown = _disclose(_on_disk(skill_path), mode)
    return _placebo(shown) if arm == "placebo" else shown


def skill_digest(skill_path: Path) -> str:
    """A hash (hex) of the skill's files that a student may read. Empty if a file cannot be read."""
    folder, found = skill_path.parent, hashlib.sha256()
    try:
        for path in (skill_path, *(folder / name for name in _names_in(folder))):
            # The length is added so that different lists of files never give the same bytes.
            name, data = path.relative_to(folder).as_posix().encode(), path.read_bytes()
            found.update(b"%d %d " % (len(name), len(data)) + name + data)
    except OSError:
        return ""
    return found.hexdigest()


def _on_disk(skill_path: Path) -> Source:
    folder = skill_path.parent
    text = read_text(skill_path, SkillError)
    return Source(parse_skill(text, skill_path), text, _names_in(folder), lambda name: (folder / name).read_bytes())


def _at_revision(skill_path: Path, revision: str) -> Source:
    def read(name: str) -> bytes:
        return _git(skill_path, revision, "show", f"{revision}:./{name}")

    text = read(skill_path.name).decode("utf-8", errors="replace")
    folders = [f"{folder}/" for folder in FOLDERS]
    listed = _git(skill_path, revision, "ls-tree", "-r", "--name-only", revision, *folders)
    names = sorted(listed.decode("utf-8", errors="replace").splitlines())
    return Source(parse_skill(text, skill_path), text, names, read)


def _placebo(shown: Guidance) -> Guidance:
    """An unrelated text of the same length, disclosed in the same way."""
    if not shown.files:
        return Guidance(_unrelated(len(shown.text)))
    head = "name: kitchen-garden\ndescription: Keeping a kitchen garden, from the soil to the harvest.\n"
    body = _unrelated(len(shown.files[SKILL_FILE]) - len(head) - 8)
    return Guidance(head, {SKILL_FILE: f"---\n{head}---\n{body}"})


@lru_cache
def prompt_text(name: str) -> str:
    """The text of a file in our folder ``prompts``."""
    return (resources.files("pytest_upskill") / "prompts" / f"{name}.md").read_text(encoding="utf-8")


def _unrelated(length: int) -> str:
    text = prompt_text("placebo")
    return (text * (max(length, 0) // len(text) + 1))[: max(length, 0)]


def _git(skill_path: Path, revision: str, *words: str) -> bytes:
    """The output of a git command in the skill's folder."""
    command = ["git", "-C", str(skill_path.parent), *words]
    try:
        shown = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise SkillError(f"arm 'previous:{revision}' needs git, which is not installed", skill_path) from None
    if shown.returncode != 0:
        reason = (shown.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[0]
        problem = f"git does not show this skill at {revision!r} ({reason}); name a revision that has it"
        raise SkillError(f"arm 'previous:{revision}': {problem}", skill_path)
    return shown.stdout


def _disclose(source: Source, mode: str) -> Guidance:
    """What a student sees of a skill in this mode, which is one of MODES."""
    if mode == "tools":
        return Guidance(_frontmatter(source.text), {SKILL_FILE: source.text, **_texts(source)})
    if mode == "full":
        files = "".join(f'\n<file path="{name}">\n{text.rstrip()}\n</file>\n' for name, text in _texts(source).items())
        return Guidance(f"{source.skill.body.rstrip()}\n{files}")
    return Guidance(_body(source))


def _frontmatter(text: str) -> str:
    """The lines between the two ``---`` of a SKILL.md."""
    lines = text.splitlines()
    marks = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    return "\n".join(lines[marks[0] + 1 : marks[1]]) + "\n" if len(marks) > 1 else text


def _names_in(folder: Path) -> list[str]:
    """The files of a skill's folder that a student may read, sorted.

    Hidden files and links to other folders are left out.
    """
    root = folder.resolve()
    found = (path for place in FOLDERS for path in (folder / place).rglob("*"))
    files = (path for path in found if path.is_file() and path.resolve().is_relative_to(root))
    names = [path.relative_to(folder).as_posix() for path in files]
    return sorted(name for name in names if not any(part.startswith((".", "__")) for part in name.split("/")))


def _body(source: Source) -> str:
    body = source.skill.body
    references = [name for name in source.names if name.startswith("references/") and name.endswith(".md")]
    if not references:
        return body
    named = "\n".join(f"- {name}" for name in references)
    return f"{body.rstrip()}\n\nFurther files of this skill, not shown here:\n{named}\n"


def _texts(source: Source) -> dict[str, str]:
    """The files that are texts of at most ``LARGEST_FILE`` bytes. Raises SkillError if a file cannot be read."""
    texts = {}
    for name in source.names:
        try:
            data = source.read(name)
        except OSError as error:
            raise SkillError(f"{name} cannot be read ({error.strerror})", source.skill.path) from None
        if len(data) <= LARGEST_FILE and b"\0" not in data:
            texts[name] = data.decode("utf-8", errors="replace")
    return texts
