"""Usage errors that single values do not show: options without an effect, and named things that do not exist.

Without these errors, such a run would succeed although it judged nothing that the user named. They are raised before a
student is queried: ``ineffective`` is called before collection, ``missing`` after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_upskill.configuration.settings import Settings
from pytest_upskill.errors import SkillError, UsageError
from pytest_upskill.execution.task import Task
from pytest_upskill.records import ItemKind
from pytest_upskill.records.gating import GateKind, is_called
from pytest_upskill.skills import arms
from pytest_upskill.skills.noise import asked_arm, asked_arms
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.files import FilesStudent

if TYPE_CHECKING:
    from pytest_upskill.session.collection import SkillFile
    from pytest_upskill.session.run import Run

_OF_STUDENTS = ("arms", "trials", "turns", "replies", "base-url", "serve", "min-pass-rate", "min-lift", "max-cost",
                "no-regression", "gate", "until-decided", "xfail", "noise")  # fmt: skip
"""Options that have no meaning in a self-check."""
_STOPPING = (GateKind.MIN_PASS_RATE, GateKind.MIN_LIFT)
_NEEDED: Mapping[GateKind, tuple[str, ...]] = {GateKind.MIN_LIFT: (arms.SKILL, arms.BASELINE), GateKind.MAX_COST: ()}
"""The arms that a gate needs. Gates that are not listed need the skill's arm."""
_LOOKED_AT = 200
"""The maximum number of folders in which the replies are searched for."""


def ineffective(settings: Settings, configs: Sequence[StudentConfig]) -> str | None:
    """Return a message on options on this command line that would have no effect; None if there are none."""
    given = [flag for flag in (f"--upskill-{name}" for name in _OF_STUDENTS) if flag in settings.typed]
    if settings.self_check and given:
        need = f"{', '.join(given)}: without a student, cases are checked and no reply is judged"
        return f"{need}; name one with --upskill-student=NAME"
    if settings.prompts and settings.export:
        return "--upskill-export: with --upskill-prompts nothing is judged, so nothing passes; leave one of them out"
    on_results = any(gate.kind in _STOPPING for gate in settings.gates.every)
    if settings.gates.until_decided and not (settings.self_check or settings.prompts or on_results):
        return ("--upskill-until-decided: there is no gate that could be decided early; add --upskill-min-pass-rate or "
                "--upskill-min-lift")  # fmt: skip
    ours = any(config.provider == "llama.cpp" for config in configs)
    served = ours or any(config.serve for config in configs)
    for flag, used in (("--upskill-base-url", ours), ("--upskill-serve", served)):
        if flag in given and not used:
            names = ", ".join(config.name for config in configs)
            rule = f"it is for students of llama.cpp, not for {names}"
            return f"{flag}: {rule}; set 'base_url' or 'serve' in [tool.upskill.students.{configs[0].name}] instead"
    return None


def ungated(settings: Settings, tasks: Sequence[Task]) -> str | None:
    """Return a message on a gate that applies to none of the selected items; None if there is none."""
    if settings.self_check or settings.prompts:
        return None
    asked = [task for task in tasks if task.student and task.case and task.kind is not ItemKind.TRIGGER]
    if not asked and any(task.kind is ItemKind.BROKEN_CASE for task in tasks):
        return None  # the broken case makes the run fail
    for name, found in ((None, settings.gates.common), *settings.gates.own.items()):
        concerned = [task for task in asked if name is None or is_called(name, task.skill, task.id)]
        collected = {task.arm for task in concerned}
        for gate in found:
            needed = _NEEDED.get(gate.kind, (arms.SKILL,))
            if concerned and collected.issuperset(needed):
                continue
            flag = f"--upskill-{gate}" if name is None else f"[tool.upskill.gates.{name}] {gate.kind.key}"
            lacks = next((arm for arm in needed if arm not in collected), "") if concerned else ""
            what = f"no item of the arm '{lacks}' was selected" if lacks else "no item of this skill was selected"
            if name is None and not concerned:
                what = "no item of a student was selected"
            then = "select some, remove the gate, or ignore all gates with --upskill-gate=off"
            return f"{flag}: a gate on nothing: {what}; {then}"
    return None


def missing(run: Run, skills: Sequence[SkillFile], tasks: Sequence[Task], narrowed: bool) -> str | None:
    """Return a message on something that was named and does not exist; None if everything exists.

    ``skills`` are the skills that were found. ``narrowed`` says that single items were selected. An arm without replies
    is then no error, because its items may not be among the selected ones.
    """
    return next(_missing(run, skills, tasks, narrowed), None)


def _missing(run: Run, skills: Sequence[SkillFile], tasks: Sequence[Task], narrowed: bool) -> Iterator[str]:
    settings = run.settings
    if run.explicit and not skills:
        yield "no skill was found: name a SKILL.md, a case in its folder evals/, or a folder above them"
    if settings.example is not None:
        yield from _example(settings.example, tasks)
    if settings.self_check or not all(skill.is_collected for skill in skills):  # because of --lf
        return
    with_cases = [skill for skill in skills if skill.cases]
    if skills and not with_cases and not any(skill.broken or skill.queries for skill in skills):
        places = _some([f"{_shown(skill.skill_path.parent, settings)}/evals" for skill in skills])
        yield f"there is no case to ask about in {places}: write one there; --upskill alone checks the SKILL.md"
    if with_cases and any(config.provider != "golden" for config in run.configs.values()):
        yield from _revisions(settings.arms, with_cases)
    for config in run.configs.values() if with_cases and not settings.prompts else ():
        yield from _replies(settings, config, with_cases, narrowed)


def _example(text: str, tasks: Sequence[Task]) -> Iterator[str]:
    """Yield a message if a selected case does not have the example."""
    from pytest_upskill.oracle.draw import parse_example

    cases = {task.case.path: task.case for task in tasks if task.kind is ItemKind.KERNEL and task.case}
    if not cases:
        yield f"--upskill-example={text}: no kernel was selected that could be judged on it; select its item"
    for case in cases.values():
        try:
            parse_example(text, case)
        except UsageError as error:
            others = ", and select that case alone, by its item or with -k" if len(cases) > 1 else ""
            yield f"--upskill-example: {error}{others}"


def _revisions(wanted: Sequence[str], skills: Sequence[SkillFile]) -> Iterator[str]:
    """Yield a message on each revision at which no skill can be read. A single skill may be younger than the
    revision.
    """
    for arm in (arm for arm in wanted if arm.startswith("previous:")):
        problems = []
        for skill in skills:
            try:
                arms.guidance(arm, skill.skill_path)
                break
            except SkillError as error:
                problems.append(error)
        else:
            yield f"--upskill-arms: {problems[0]}"


def _replies(settings: Settings, config: StudentConfig, skills: Sequence[SkillFile], narrowed: bool) -> Iterator[str]:
    """Yield a message on each arm in which a student that answers from files or with solutions has no reply to any
    case.
    """
    who, named = f"student '{config.name}'", settings.arms_named
    if config.provider == "golden" and named and "skill" not in settings.arms:
        yield f"--upskill-arms: {who} answers in the arm 'skill' only; add it, or name another student"
    if config.folder is None:
        return
    answered = set(chain.from_iterable(skill.arms[config.name] for skill in skills))
    if any(config.name in skill.asked_queries for skill in skills) and not (answered or named):
        return
    names = list(dict.fromkeys(skill.skill for skill in skills))
    place = f"{config.folder}/{names[0] if len(names) == 1 else '<skill>'}/<case>"
    if not answered:
        of = f"skill{'s' if len(names) > 1 else ''} {_some([repr(name) for name in names])}"
        expected = f"expected {place}.<arm>.md, with an arm of {', '.join(asked_arms(settings.arms, settings.noise))}"
        yield f"--upskill-student: {who} has no reply for {of}: {expected}; {_advice(settings, config, skills)}"
    for arm in settings.arms:
        if arm in answered or not (named or (arm == "skill" and not narrowed)):
            continue
        lacks = f"{who} has no reply in the arm '{arm}': expected {place}.{asked_arm(arm, settings.noise)}.md"
        others = ",".join(one for one in settings.arms if one in answered)
        yield f"--upskill-arms: {lacks}; write the replies, or compare others: --upskill-arms={others}"


def _advice(settings: Settings, config: StudentConfig, skills: Sequence[SkillFile]) -> str:
    """Return where the replies are, if they are in a folder nearby, else what the student's folder contains."""
    folder, slugs = config.folder, [asked_arm(arm, settings.noise) for arm in settings.arms]
    assert folder is not None
    below = (path for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern)) if path.is_dir())
    for place in islice(chain((folder.parent, folder.parent.parent), below), _LOOKED_AT):
        student = FilesStudent(replace(config, folder=place))
        asked = ((name, [case.name for case in one.cases]) for one in skills for name in (one.place, one.skill))
        if any(student.arms_for(name, slugs, cases) for name, cases in asked):
            label = "" if config.name == "files" else f"{config.name}="
            return f"did you mean files:{label}{_shown(place, settings)}?"
    if config.folder is not None and any(folder.glob("*.jsonl")):
        return "cassettes are read with --upskill-replies=replay and the student's own name"
    inner = next((path for one in skills if (path := folder / one.skill).is_dir()), folder)
    names = sorted(path.name for path in islice(inner.iterdir(), _LOOKED_AT))
    return f"{_shown(inner, settings)} holds {_some(names) if names else 'nothing'}"


def _shown(path: Path, settings: Settings) -> str:
    return relpath(path, settings.invocation_dir)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
