"""Improves the description of a skill: a student chooses skills for training queries, a teacher writes a description.

Rounds, held-out queries and decisions work as in ``refine``, with queries in place of cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import ClassVar

from pytest_upskill.cases.case import Case
from pytest_upskill.documents.frontmatter_edit import with_text
from pytest_upskill.documents.markdown import fences, lines_of
from pytest_upskill.errors import SkillError
from pytest_upskill.generator import prose
from pytest_upskill.generator.answers import Refused, checked_text
from pytest_upskill.generator.feedback import fence_for
from pytest_upskill.generator.refine import Refiner, Round
from pytest_upskill.records import Outcome, Prompt, Reply, VerdictKind
from pytest_upskill.reporting.lift import DECIDED
from pytest_upskill.skills.arms import prompt_text
from pytest_upskill.skills.noise import NO_NOISE, Noise, lines, others, shown
from pytest_upskill.skills.skill import MAX_DESCRIPTION, parse_skill, validate_text

LONGEST_BODY = 20_000
"""The most characters of a skill's text that a teacher is shown."""
_SHOWN = 80
"""The most queries of each kind that a teacher is shown."""
_LONGEST_QUERY = 500
_REPEATED = 6
"""A description must not share this many words in a row with a query."""


def halves(queries: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """The training queries and the held-out queries. Of each kind, in the order of the file, the queries alternate
    between the two parts, so appending queries does not change the part of another query.
    """
    kinds = [[case for case in queries if case.should_trigger is side] for side in (True, False)]
    training, held_out = ([case for kind in kinds for case in kind[start::2]] for start in (0, 1))
    return training, held_out


def read_description(reply: Reply) -> str:
    """The description in an answer, in one line: the text of its only block or, without a block, the whole answer.
    Raises Refused.
    """
    text = checked_text(reply)
    blocks = list(fences(lines_of(text)))
    if len(blocks) > 1 or (blocks and not blocks[0].closed):
        raise Refused("the answer must hold exactly one block, with the description: ~~~~~~text, the text, ~~~~~~")
    found = " ".join((blocks[0].source if blocks else text).split())
    if not found:
        raise Refused("the description is empty")
    if len(found) > MAX_DESCRIPTION:
        raise Refused(f"the description has {len(found)} characters; at most {MAX_DESCRIPTION} are allowed: shorten it")
    return found


def with_description(text: str, description: str, path: Path) -> str:
    """A SKILL.md with another description. Raises Refused if its frontmatter cannot take it."""
    try:
        new = with_text(text, "description", description)
        if shown(path, new).description == description and parse_skill(new, path).body == parse_skill(text, path).body:
            return new
    except (ValueError, SkillError):
        pass
    raise Refused("this description does not fit into the frontmatter: write plain words, without quotes and colons")


@dataclass(frozen=True)
class DescriptionRefiner(Refiner):
    """Refines descriptions. ``skill_path`` names the SKILL.md, ``noise`` the other skills that the student sees."""

    skill_path: Path = Path("SKILL.md")
    noise: Noise = NO_NOISE
    called: ClassVar[str] = "triggers"

    def new_text(self, reply: Reply, current: str) -> str:
        new = read_description(reply)
        if new.split() == shown(self.skill_path, current).description.split():
            raise Refused("the description is unchanged; change what let the student choose wrongly")
        return with_description(current, new, self.skill_path)

    def question(self, current: str, before: Sequence[Outcome], earlier: Sequence[Round]) -> Prompt:
        """The first question of a round, from training queries only."""
        decided = [one for one in before if one.verdict.kind in DECIDED]
        passed = sum(one.verdict.kind is VerdictKind.PASSED for one in decided)
        counts = (len({one.case for one in decided}), passed, len(decided))
        rejected = [one for one in earlier if not one.kept and one.proposal.text is not None and one.training]
        tried = [_tried(one, self.skill_path) for one in rejected]
        return description_question(self.skill_path, current, self.noise, counts, tried, "\n".join(choices(decided)))


def description_question(
    path: Path, text: str, noise: Noise, counts: tuple[int, int, int], tried: Sequence[str], feedback: str
) -> Prompt:
    """The question for a new description. ``counts`` are the numbers of queries with a choice, of right answers, and of
    all answers.
    """
    own, body = shown(path, text), parse_skill(text, path).body.strip()[:LONGEST_BODY]
    head = "Other descriptions, and their results on these requests:\n\n" if tried else ""
    cases, passed, decided = counts
    user = Template(prompt_text("triggers")).substitute(
        name=own.name, description=own.description, body=body, fence=fence_for(body), cases=cases, passed=passed,
        decided=decided, others=lines(others(path, noise)) or "none", tried=head + "".join(tried), feedback=feedback,
    )  # fmt: skip
    return Prompt(prompt_text("triggers_system"), user)


def choices(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The queries of these outcomes for a teacher, wrong choices first."""
    right = [one for one in outcomes if one.verdict.kind is VerdictKind.PASSED]
    wrong = [one for one in outcomes if one.verdict.kind is VerdictKind.FAILED]
    groups = (
        ("Requests that need the skill, and for which it was not chosen", True, wrong),
        ("Requests that do not need the skill, and for which it was chosen", False, wrong),
        ("Requests that need the skill, and for which it was chosen", True, right),
        ("Requests that do not need the skill, and for which it was not chosen", False, right),
    )
    for title, side, group in groups:
        queries = dict.fromkeys(_line(one) for one in group if one.trigger and one.trigger.should_trigger is side)
        if queries:
            yield from (f"{title}:", "", *list(queries)[:_SHOWN], "")


def _line(outcome: Outcome) -> str:
    assert outcome.trigger is not None
    query = " ".join(outcome.trigger.query.split())
    chosen = ", ".join(outcome.trigger.named) or "none"
    instead = f" (chosen: {chosen})" if outcome.verdict.kind is VerdictKind.FAILED else ""
    return f"- {query if len(query) <= _LONGEST_QUERY else query[:_LONGEST_QUERY] + ' [cut]'!r}{instead}"


def _tried(one: Round, path: Path) -> str:
    assert one.training is not None
    right, total = (sum(map(count, one.training.new.values())) for count in (sum, len))
    description = shown(path, one.proposal.text).description
    return f"- right in {right} of {total} answers; take another way: {description}\n\n"


@dataclass(frozen=True, slots=True)
class DescriptionChecks:
    """Checks a new description before a student sees it: its form, its language, and that it quotes no query."""

    skill_path: Path
    queries: Sequence[Case]
    language: str

    def problems(self, text: str, present: str) -> list[str]:
        """What is wrong with a new SKILL.md, in words for the teacher. Problems that the present SKILL.md has, too, are
        left out.
        """
        return list(self._problems(text, present))

    def _problems(self, text: str, present: str) -> Iterator[str]:
        known = {one.message for one in validate_text(present, self.skill_path)}
        yield from (str(one) for one in validate_text(text, self.skill_path) if one.message not in known)
        new, old = (shown(self.skill_path, one).description for one in (text, present))
        if (other := prose.problem(new, self.language)) is not None and prose.problem(old, self.language) is None:
            yield other
        shared = _passages(new) - _passages(old)
        if any(shared & _passages(case.task) for case in self.queries):
            yield "a passage repeats a request: name kinds of requests in words of your own"


def _passages(text: str) -> set[tuple[str, ...]]:
    words = "".join(letter if letter.isalnum() else " " for letter in text.casefold()).split()
    return {tuple(words[start : start + _REPEATED]) for start in range(len(words) - _REPEATED + 1)}
