"""Collects the skills in agents' hidden folders, which ``norecursedirs`` leaves out, and nothing else in them."""

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
    """The hooks that decide which folders are collected. ``warns``: this process is the one that warns."""

    def __init__(self, config: pytest.Config, warns: bool) -> None:
        self._config, self._warns = config, warns
        patterns: list[str] = config.getini("norecursedirs")
        self._hiding = [pattern for pattern in patterns if any(fnmatch(name, pattern) for name in AGENT_FOLDERS)]
        # pytest would apply them before we can make an exception. It modifies such lists in place, too.
        patterns[:] = [pattern for pattern in patterns if pattern not in self._hiding]
        self._entered: set[Path] = set()
        """The agents' folders that were not named, but found."""

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """True for what is left out; None leaves the decision to pytest."""
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
        """Warn of skills in a hidden folder, if it has the layout of an agent's."""
        session: Any = self._config.pluginmanager.get_plugin("session")
        if self._speaks_of(session, folder.parent) and any((folder / SKILLS).glob("*/SKILL.md")):
            shown = os.path.relpath(folder / SKILLS, self._config.rootpath)
            problem = f"the skills in '{shown}' are not collected, since no agent is known to keep skills there"
            session.warn(UpskillWarning(f"{problem}: name the folder"))

    def _speaks_of(self, session: Any, folder: Path) -> bool:
        """Whether this process warns of what is in a folder: not if only something else below it was named."""
        only_above = session.isinitpath(folder, with_parents=True) and not session.isinitpath(folder)
        return self._warns and not only_above

    def _agent_of(self, path: Path) -> Path | None:
        return next((one for one in path.parents if one in self._entered), None) if self._entered else None

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Warn of links that lead nowhere: an agent's folder often holds links to skills that are kept elsewhere."""
        if not isinstance(collector, pytest.Directory) or not self._speaks_of(collector.session, collector.path):
            return
        for link in _broken_links(collector.path):
            shown = os.path.relpath(link, self._config.rootpath)
            collector.warn(UpskillWarning(f"'{shown}' {broken_link(link)}"))


def _is_folder(path: Path) -> bool:
    """Whether it is a folder, and no link to one above it, which has no end."""
    return path.is_dir() and not (path.is_symlink() and path.resolve() in path.parent.resolve().parents)


def _broken_links(folder: Path) -> Iterator[Path]:
    """Links without a target at places of skills: ``skills``, a folder in it, and its ``SKILL.md``."""
    if folder.name == SKILLS:
        with os.scandir(folder) as entries:
            links = sorted(Path(entry.path) for entry in entries if entry.is_symlink())
    else:
        links = [folder / name for name in (SKILLS, *FILE_NAMES)]
    yield from (link for link in links if link.is_symlink() and not link.exists())
