"""Renders the question of a task. Used on the main thread only, because deriving a signature runs the case's
reference.
"""

from collections.abc import Mapping
from pathlib import Path
from string import Template

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Signature
from pytest_upskill.execution import triggers
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.signatures import contract_of, signature_of
from pytest_upskill.records import Prompt, Question
from pytest_upskill.skills import arms
from pytest_upskill.skills.arms import Guidance, prompt_text
from pytest_upskill.skills.noise import Noise, asked_arm, with_noise
from pytest_upskill.students.reading import most_rounds


class PromptRenderer:
    """Renders questions, and caches the texts of arms, which many tasks share."""

    def __init__(self) -> None:
        self.triggers = triggers.TriggerQuestions()
        self._guidance: dict[tuple[str, Path, str, str | None, Noise], Guidance | None] = {}

    def of(self, task: Task) -> Question:
        """Return the task's question. Raises CaseError if the reference fails, SkillError if the arm has no text."""
        assert task.case is not None
        if task.case.kind == "trigger":
            arm, prompt = triggers.arm_of(task), self.triggers.prompt(task)
        else:
            assert task.arm is not None
            signature = signature_of(task.case) if task.case.kind == "kernel" else None
            shown, arm = self._shown(task, task.arm), asked_arm(task.arm, task.noise)
            prompt = build_prompt(task.case, signature, shown.text if shown else None, shown.files if shown else None)
        name = task.case.skill
        return Question(name, task.case.name, arm, task.trial, prompt, task.place, apart=task.skill != name)

    def _shown(self, task: Task, arm: str) -> Guidance | None:
        key = (arm, task.skill_path, task.disclosure, task.text, task.noise)
        if key not in self._guidance:
            found = arms.guidance(*key[:4])
            self._guidance[key] = with_noise(found, task.skill_path, task.noise) if found and task.noise else found
        return self._guidance[key]


def build_prompt(
    case: Case, signature: Signature | None, guidance: str | None, files: Mapping[str, str] | None = None
) -> Prompt:
    """Return the prompt for a case in an arm that adds ``guidance`` (None: the arm adds nothing).

    ``signature`` is None for a text case. The student can read ``files`` through a tool; ``guidance`` then only says
    what they are about. The user's text is the same in every arm, because guidance is added to the system text only.
    """
    files = files or {}
    if signature is None:
        return Prompt(_guided("", guidance, files), case.task.strip() + "\n", files=files)
    contract = contract_of(case)
    return Prompt(_guided(contract.system_text(), guidance, files), contract.user_text(case, signature), files=files)


def _guided(system: str, guidance: str | None, files: Mapping[str, str]) -> str:
    """Return the system text with an arm's guidance. For a text case, the guidance is the whole system text."""
    if guidance is not None and files:
        system = Template(prompt_text("tools")).substitute(
            system=system, guidance=guidance.strip(), rounds=most_rounds(files)
        )
    elif guidance is not None:
        template = Template(prompt_text("guidance"))
        system = template.substitute(system=system, guidance=guidance.strip()) if system else guidance
    return system.strip() + "\n" if system else ""
