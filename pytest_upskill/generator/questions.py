"""The questions to a teacher: for the plan, for the skill, for each case.

If a text here changes, stored answers are not reused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from string import Template

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts import registry as contracts
from pytest_upskill.contracts.base import Teaching
from pytest_upskill.documents.hidden_characters import visible
from pytest_upskill.errors import UsageError
from pytest_upskill.generator.answers import Plan, PlannedCase, Refused
from pytest_upskill.generator.prose import NAMES
from pytest_upskill.generator.teacher import Step
from pytest_upskill.records import Exchange, Prompt, Reply
from pytest_upskill.skills.arms import prompt_text

LAUNCHER = "launcher"
"""The contract of cases that name no contract."""
_LONGEST_QUOTE = 40_000
"""The most characters of a refused answer that are sent back; the rest of a longer answer is of no use."""
_LONGEST_REASON = 4_000
"""The most bytes of a reason. Together with the words around it, a reason takes at most ``TOLD_TOKENS``, which
estimates of the cost assume.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What the user orders. ``language`` is the language of the skill's text (BCP 47), ``contract`` the contract of its
    cases.

    ``material`` is the text that the skill is made from, such as a transcript, and ``what`` says what kind of text it
    is. The material is untrusted data, and is sent as a quotation.
    """

    task: str
    language: str = "en"
    contract: str = LAUNCHER
    material: str = ""
    what: str = ""


def plan_step(order: Order, count: int, existing: Sequence[Case] = (), name: str = "") -> Step:
    """The question for a plan of ``count`` cases. ``name`` is the skill's name; empty if the teacher chooses it."""
    taken = f"\nThe skill has these cases already; plan other operators:\n\n{_listed(existing)}\n" if existing else ""
    named = f"\nThe name of the skill is `{name}`.\n" if name else ""
    return _beside(order, _step("plan", "plan", order, count=count, taken=taken, named=named))


def skill_step(order: Order, plan: Plan) -> Step:
    """The question for the skill's files."""
    operators = "\n".join(f"- {one.operator}" for one in plan.cases)
    return _beside(order, _step("skill", "skill", order, skill=plan.skill, operators=operators))


def part_step(order: Order, number: int, count: int) -> Step:
    """The question for notes on a part of the material, which is ``order.material``."""
    return _beside(order, _step(f"part-{number}", "part", order, number=number, count=count))


def _beside(order: Order, step: Step) -> Step:
    """The question below the material that it is about; without material, the question alone."""
    if not order.material:
        return step
    head = Template(prompt_text("teacher_material")).substitute(what=order.what, quoted=quotation(order.material))
    return replace(step, prompt=replace(step.prompt, user=f"{head.strip()}\n\n{step.prompt.user}"))


def quotation(text: str) -> str:
    """Quote a text in Markdown. Characters that are invisible, or that change the order of other characters, are
    written out.
    """
    return "\n".join(f"> {line}".rstrip() for line in visible(text).strip("\n").split("\n"))


def case_step(
    order: Order, skill: str, case: PlannedCase, planned: Sequence[PlannedCase], existing: Sequence[Case] = ()
) -> Step:
    """The question for one case. It also lists the skill's other cases: those that are ``planned``, and those that
    exist.
    """
    lines = [f"- {one.name}: {one.operator}" for one in planned if one.name != case.name]
    listed = "\n".join([*lines, *filter(None, [_listed(existing)])])
    told = f"\nOther cases ask for these operators; yours must not compute the same:\n\n{listed}\n" if listed else ""
    taught = teaching_of(order.contract)
    facts = {
        "example": taught.example,
        "rules": taught.rules,
        "name": case.name,
        "operator": case.operator,
        "difficulty": case.difficulty,
        "others": told,
    }
    return _step(f"case-{case.name}", "case", order, skill=skill, **facts)


def again(step: Step, reply: Reply, reason: Refused) -> Step:
    """The same question after an answer that was refused."""
    answer = reply.text
    if len(answer) > _LONGEST_QUOTE:
        answer = f"{answer[:_LONGEST_QUOTE]}\n[the rest of the answer is left out]"
    why = str(reason).encode(errors="replace")[:_LONGEST_REASON].decode(errors="ignore")
    told = f"This answer was refused: {why}\n\nAnswer again, completely and in the same format."
    earlier = (*step.prompt.earlier, Exchange(answer, told))
    return replace(step, prompt=replace(step.prompt, earlier=earlier))


def _step(step: str, template: str, order: Order, **parts: object) -> Step:
    taught = teaching_of(order.contract)
    terms = {"readers": taught.readers, "unit": taught.unit, "judged": taught.judged}
    system = Template(prompt_text("teacher_system")).substitute(terms)
    asked = Template(prompt_text(f"teacher_{template}")).substitute(
        terms, task=order.task.strip(), language=_language(order.language), **parts
    )
    return Step(step, Prompt(system.strip(), asked.strip() + "\n"))


def teaching_of(contract: str) -> Teaching:
    """The description of a contract for a teacher. Raises UsageError if the contract has none."""
    own = contracts.names()
    teach = getattr(contracts.find(contract), "teaching", None)
    if teach is None:
        known = ", ".join(name for name in own if hasattr(contracts.find(name), "teaching"))
        problem = "has no text for teachers" if contract in own else "is not known"
        raise UsageError(
            f"the contract '{contract}' {problem}: a teacher writes cases for {known}; write others by hand "
            "('pytest-upskill new-case')"
        )
    taught: Teaching = teach()
    return taught


def _language(language: str) -> str:
    if (code := language.partition("-")[0].lower()) == "en":
        return "\nWrite all text in English."
    called = f"{NAMES[code]} ({language})" if code in NAMES else f"the language with the code {language}"
    return (
        f"\nWrite all text for readers, such as descriptions, explanations and tasks, in {called}. Names, keys, paths, "
        "code and the headings '## Reference', '## Inputs', '## Solution' and '## Notes' stay as they are."
    )


def _listed(cases: Iterable[Case]) -> str:
    return "\n".join(f"- {one.name}: {one.op.text if one.op else 'a question about a text'}" for one in cases)
