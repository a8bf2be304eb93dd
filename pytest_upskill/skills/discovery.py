"""Finds skills in folders and their subfolders. Hidden folders are skipped, except those where agents keep skills."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_upskill.errors import SkillError
from pytest_upskill.skills.skill import FILE_NAMES, skill_file

AGENT_FOLDERS = frozenset((
    ".adal", ".agent", ".agents", ".ai", ".aider", ".amazonq", ".amp", ".ampcode", ".antigravity", ".augment", ".bob",
    ".claude", ".cline", ".cody", ".firebender", ".gitlab", ".jules", ".lingma", ".ona", ".tabnine",
    ".codebuddy", ".codeium", ".codex", ".commandcode", ".continue", ".copilot", ".cortex", ".crush", ".cursor",
    ".devin", ".factory", ".forge", ".gemini", ".github", ".goose", ".grok", ".hermes", ".iflow", ".junie", ".kilo",
    ".kilocode", ".kimi", ".kiro", ".kode", ".letta", ".mcpjam", ".mux", ".neovate", ".openclaw", ".opencode",
    ".openhands", ".pi", ".pochi", ".qoder", ".qwen", ".replit", ".roo", ".rovodev", ".trae", ".vibe", ".vscode",
    ".warp", ".windsurf", ".zed", ".zencoder",
))  # fmt: skip
"""Hidden folders of agents. Skills are in ``{agent}/skills/{name}/SKILL.md``."""
SKILLS = "skills"


def skill_files(paths: Sequence[Path]) -> list[Path]:
    """The ``SKILL.md`` files that ``paths`` name.

    A path can be a skill's folder, its ``SKILL.md``, or a folder that contains skills. If there are no paths, skills in
    the current folder are found. Raises SkillError if a path has no skill.
    """
    found: list[Path] = []
    for path in paths or [Path()]:
        if path.is_file():
            found.append(path if path.name in FILE_NAMES else _of_case(path))
            continue
        below = sorted(_below(path))
        if not below:
            skill_file(path)
        found += below
    return list(dict.fromkeys(found))


def _below(folder: Path) -> Iterator[Path]:
    """The skills in a folder and its subfolders. A skill that symbolic links also reach is found once."""
    seen: set[Path] = set()
    folders, links = [folder], list[Path]()
    while folders or links:
        place = (folders or links).pop()
        if not place.is_dir() or (real := place.resolve()) in seen:
            continue
        seen.add(real)
        entries = {entry.name: entry for entry in place.iterdir()}
        is_agent = place != folder and place.name in AGENT_FOLDERS
        for name, entry in entries.items():
            is_wanted = name == SKILLS if is_agent else not name.startswith(".") or name in AGENT_FOLDERS
            if is_wanted and entry.is_dir():
                (links if entry.is_symlink() else folders).append(entry)
        if not is_agent:
            yield from [entries[name] for name in FILE_NAMES if name in entries][:1]


def _of_case(path: Path) -> Path:
    if path.suffix == ".md" and path.parent.name == "evals":
        return skill_file(path.parent.parent)
    own = FILE_NAMES[0]
    raise SkillError(f"this file is not a {own}: name a skill's folder, its {own}, or a folder above", path)
