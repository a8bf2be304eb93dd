"""Noise: names and descriptions of other skills, which an agent with many skills sees beside the measured skill.

The skills in the same folder as the measured skill are used first, and then skills that are part of this package. The
choice and the order depend on the number of skills, a seed and the skill's name, but not on what a run collects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pytest_upskill.documents.frontmatter import parse, read_text
from pytest_upskill.errors import SkillError
from pytest_upskill.skills.arms import BASELINE, Guidance, asked_as, prompt_text
from pytest_upskill.skills.case_files import case_files
from pytest_upskill.skills.skill import FILE_NAMES, parse_skill


@dataclass(frozen=True, slots=True)
class Noise:
    """How many other skills are shown. Another ``seed`` chooses other skills. It is false if none are shown."""

    count: int = 0
    seed: int = 0

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        """The noise as the option is written: ``20``, or ``20:7`` with a seed."""
        return f"{self.count}:{self.seed}" if self.seed else str(self.count)

    def arm(self, slug: str) -> str:
        """The arm of a question with this noise.

        It differs from ``slug``, so that the reply is not stored in place of the reply to the question without noise.
        """
        return f"{slug}-noise{str(self).replace(':', '.')}" if self else slug


NO_NOISE = Noise()


def asked_arm(arm: str, noise: Noise) -> str:
    """The slug of the arm under which an arm's questions are asked.

    The baseline is asked without noise, because it shows no skills.
    """
    return asked_as(arm) if arm == BASELINE else noise.arm(asked_as(arm))


def asked_arms(arms: Sequence[str], noise: Noise) -> list[str]:
    """The arms as a user names them or, if there is noise, as the names of reply files spell them."""
    return [asked_arm(arm, noise) for arm in arms] if noise else list(arms)


@dataclass(frozen=True, slots=True)
class Shown:
    """What an agent sees of a skill that it has not opened."""

    name: str
    description: str

    def __str__(self) -> str:
        return f"- `{self.name}`: {self.description}"


def shown(skill_path: Path, text: str | None = None) -> Shown:
    """The name and the description in a skill's file, or in ``text`` instead of it. Raises SkillError."""
    text = read_text(skill_path, SkillError) if text is None else text
    parse_skill(text, skill_path)  # raises SkillError if the name or the description is missing
    top = parse(text, skill_path, SkillError).frontmatter.data
    return Shown(*(" ".join(top[key].text.split()) for key in ("name", "description")))


@cache
def bundled() -> tuple[Shown, ...]:
    """The skills in this package that are shown as other skills."""
    lines = prompt_text("other_skills").splitlines()
    return tuple(Shown(name, description) for name, _, description in (line.partition(": ") for line in lines if line))


def most() -> int:
    """The largest number of other skills that can be shown with any skill."""
    return len(bundled()) - 1  # one of them may have the skill's own name


def others(skill_path: Path, noise: Noise) -> tuple[Shown, ...]:
    """The other skills, in the order in which they are chosen.

    A larger number of skills includes all skills of a smaller number. A skill that shares cases with the measured skill
    is left out, because it is another edition of the measured skill.
    """
    own = skill_path.parent.name
    beside = _shuffled({one.name: one for one in _beside(skill_path)}.values(), noise, own) if noise else []
    taken = {own, *(one.name for one in beside)}
    further = _shuffled((one for one in bundled() if one.name not in taken), noise, own)
    return (*beside, *further)[: noise.count]


def among_others(own: Shown, skill_path: Path, noise: Noise) -> list[Shown]:
    """The measured skill and the other skills, in the order in which they are shown."""
    return _in_display_order(
        [own, *(one for one in others(skill_path, noise) if one.name != own.name)], noise, own.name
    )


def with_noise(guidance: Guidance, skill_path: Path, noise: Noise) -> Guidance:
    """What an arm adds to the prompt, with the other skills.

    The other skills come before the text of a skill that is already open, and after the description of a skill that the
    student may open.
    """
    from string import Template

    found = _in_display_order(others(skill_path, noise), noise, skill_path.parent.name)
    listed = Template(prompt_text("noise")).substitute(others=lines(found))
    text = f"{guidance.text.rstrip()}\n\n{listed}" if guidance.files else f"{listed}\n{guidance.text}"
    return Guidance(text, guidance.files)


def lines(skills: Iterable[Shown]) -> str:
    """One line for each skill."""
    return "\n".join(map(str, skills))


def _beside(skill_path: Path) -> Iterator[Shown]:
    """The skills in the same folder that can be read, sorted by name, without other editions of this skill."""
    folder = skill_path.parent
    own_cases = _cases(folder)
    for other in sorted(folder.parent.iterdir()):
        try:
            file = next((path for name in FILE_NAMES if (path := other / name).is_file()), None)
            if file is None or other.resolve() == folder.resolve() or own_cases & _cases(other):
                continue
            yield shown(file)
        except (SkillError, OSError):  # a run of that skill reports the error
            continue


def _cases(folder: Path) -> set[Path]:
    return {path.resolve() for path in case_files(folder).paths}


def _shuffled(skills: Iterable[Shown], noise: Noise, name: str, salt: str = "") -> list[Shown]:
    """The skills in a pseudo-random order. Adding a skill does not change the order of the others."""

    def place(one: Shown) -> bytes:
        return hashlib.sha256(f"{noise.seed}\0{name}\0{one.name}{salt}".encode("utf-8", "surrogatepass")).digest()

    return sorted(skills, key=place)


def _in_display_order(skills: Iterable[Shown], noise: Noise, name: str) -> list[Shown]:
    """The skills in the order in which they are shown.

    This is not the order of the choice, in which the measured skill would mostly be among the last.
    """
    return _shuffled(skills, noise, name, salt="\0shown")
