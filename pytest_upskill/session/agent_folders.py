"""Collects the skills in agents' hidden folders, which ``norecursedirs`` excludes, and nothing else in these
folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.session.collection import UpskillWarning
from pytest_upskill.skills.discovery import AGENT_FOLDERS, SKILLS
from pytest_upskill.skills.skill import FILE_NAMES, broken_link


class AgentFolders:
    """The hooks that decide which folders are collected. ``warns`` says whether this process gives the warnings."""

    def __init__(self, config: pytest.Config, warns: bool) -> None:
        self._config, self._warns = config, warns
        patterns: list[str] = config.getini("norecursedirs")
        self._hiding = [pattern for pattern in patterns if any(fnmatch(name, pattern) for name in AGENT_FOLDERS)]
        # pytest applies these patterns before a hook could make an exception. It modifies such lists in place, too.
        patterns[:] = [pattern for pattern in patterns if pattern not in self._hiding]
        self._entered: set[Path] = set()
        """The agents' folders that were found below an argument, and not named themselves."""

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Return True for a path that is left out, None to leave the decision to pytest."""
        path = collection_path
        hidden = any(fnmatch(path.name, pattern) for pattern in self._hiding) and path.is_dir()
        if hidden and path.name in AGENT_FOLDERS and not self._agent_of(path):
            self._entered.add(path)
            return None if os.path.lexists(path / SKILLS) else True
        if hidden:
            self._mention(path)
            return True
        if (agent := self._agent_of(path)) is None:
            return None
        below_skills = path.relative_to(agent).parts[0] == SKILLS
        return None if below_skills and (path.name in FILE_NAMES or _is_folder(path)) else True

    def _mention(self, folder: Path) -> None:
        """Warn of skills in a hidden folder if its layout is that of an agent's folder."""
        session: Any = self._config.pluginmanager.get_plugin("session")
        if self._speaks_of(session, folder.parent) and any((folder / SKILLS).glob("*/SKILL.md")):
            shown = os.path.relpath(folder / SKILLS, self._config.rootpath)
            problem = f"the skills in '{shown}' are not collected, since no agent is known to keep skills there"
            session.warn(UpskillWarning(f"{problem}: name the folder"))

    def _speaks_of(self, session: Any, folder: Path) -> bool:
        """Return whether this process warns of the contents of a folder. It does not if only something below the folder
        was named.
        """
        only_above = session.isinitpath(folder, with_parents=True) and not session.isinitpath(folder)
        return self._warns and not only_above

    def _agent_of(self, path: Path) -> Path | None:
        return next((one for one in path.parents if one in self._entered), None) if self._entered else None

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Warn of broken links, because an agent's folder often holds links to skills that are kept elsewhere."""
        if not isinstance(collector, pytest.Directory) or not self._speaks_of(collector.session, collector.path):
            return
        for link in _broken_links(collector.path):
            shown = os.path.relpath(link, self._config.rootpath)
            collector.warn(UpskillWarning(f"'{shown}' {broken_link(link)}"))


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder. A link to a folder above itself does not count, because following it never
    ends.
    """
    return path.is_dir() and not (path.is_symlink() and path.resolve() in path.parent.resolve().parents)


def _broken_links(folder: Path) -> Iterator[Path]:
    """Return the broken links at the places of skills: ``skills``, a folder in it, and the folder's ``SKILL.md``."""
    if folder.name == SKILLS:
        with os.scandir(folder) as entries:
            links = sorted(Path(entry.path) for entry in entries if entry.is_symlink())
    else:
        links = [folder / name for name in (SKILLS, *FILE_NAMES)]
    yield from (link for link in links if link.is_symlink() and not link.exists())
