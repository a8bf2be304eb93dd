"""Rubrics: statements about the reply to a text case, which another model judges. Kernels are never judged this way.

The judge gets the reply between two lines that contain a mark. The mark is a hash of the reply, so that no reply can
contain its own mark. The judge is asked until two of its answers agree on each statement, but at most three times.
Every second question lists the statements in reverse order. If an answer cannot be read, the question is repeated once;
if the second answer cannot be read either, it does not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.expectation import RUBRIC
from pytest_upskill.documents.reasoning import answer_text
from pytest_upskill.errors import NotAnswered
from pytest_upskill.execution.task import Task
from pytest_upskill.records import Assertion, Exchange, Prompt, Question, Reply, RubricRecord, Tokens
from pytest_upskill.replies.budget import WorstCase, longest_reply, worst_conversation
from pytest_upskill.replies.scheduling import Replies, Wanted
from pytest_upskill.skills.arms import prompt_text
from pytest_upskill.skills.noise import asked_arm
from pytest_upskill.students import families
from pytest_upskill.students.base import StudentConfig, is_at_hand
from pytest_upskill.students.files import writing_below

ARM = "rubric"
"""The beginning of the arm of a judge's question: ``rubric-<student>-<arm of the reply>``."""
MOST, AGREE = 3, 2
"""The maximum number of a judge's answers to one reply, and how many equal answers decide a statement."""
_READINGS = 2
_LINE = re.compile(
    r"^[^\w\n]*(?:statement\s+)?(?P<number>\d{1,4})[^\w\n!?~\u00ac\u2260\u2717\u2718\u274c]{1,6}"
    r"(?:(?P<yes>yes|true|pass(?:es|ed)?)|no|false|fail(?:s|ed)?)\b(?P<why>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED = re.compile(r"\"[^\"\n]+\"|`[^`\n]+`|\u201c[^\u201d\n]+\u201d|(?<!\w)'[^'\n]+'(?!\w)")
_CLAUSE = re.compile(r"[^\w\s'\u2019]+|\n|\b(?:and|or|but)\b")
_VERDICTS = dict.fromkeys(("yes", "true", "pass", "passes", "passed"), True) | dict.fromkeys(
    ("no", "false", "fail", "fails", "failed"), False
)
_NEGATIONS = frozenset(("not", "never", "isn't", "doesn't"))
_DOUBLE = re.compile(r"\b(?:not|never|isn't|doesn't) (?:no|false|fail\w*)\b")
_CROSS, _CHECK = re.compile("[\u2717\u2718\u274c]"), re.compile("[\u2713\u2714\u2705]")
_DOUBTS = frozenset(("maybe", "perhaps", "possibly", "unsure", "unclear", "uncertain", "depends"))
_FILLERS = frozenset(
    """
    actually also am answer correction did do does final finally hm hmm however i i'm is it it's mean quite rather
    really so sorry statement that the then this verdict wait yet
    """.split()  # noqa: SIM905 - a table
)
"""Words that carry no meaning of their own. A clause of a reason that consists only of these words and of a verdict is
a second verdict, not a part of a sentence.
"""
_AGAIN = (
    "This answer cannot be read: {problem}. Answer again, with {number} and nothing else, such as "
    "'1: no - it names no file'."
)

JudgeOf = Callable[[str], StudentConfig | None]
"""Returns the judge of a student's replies, None if there is none."""


class Unreadable(ValueError):
    """A judge's answer does not have exactly one line for each statement. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The assertions on a rubric, and why they are undecided (``inconclusive``), if they are.

    ``record`` is None if no judge was asked. ``note`` says what speaks against the judge.
    """

    assertions: tuple[Assertion, ...]
    inconclusive: str | None = None
    record: RubricRecord | None = None
    note: str = ""


def rubric_prompt(case: Case, reply: str, order: Sequence[int]) -> Prompt:
    """Return the question about a reply. ``order`` has the indices of the statements in the order in which they are
    shown.
    """
    assert case.expect is not None
    answer, statements = answer_text(reply).strip(), [case.expect.rubric[place] for place in order]
    seen = "\0".join([case.task, *statements, answer])
    mark = f"ANSWER {hashlib.sha256(seen.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    listed = "\n".join(f"{number}. {' '.join(text.split())}" for number, text in enumerate(statements, 1))
    parts = {"task": case.task.strip(), "answer": answer, "statements": listed, "number": _lines(len(order))}
    system, user = (Template(prompt_text(name)) for name in ("rubric_system", "rubric"))
    return Prompt(system.substitute(mark=mark), user.substitute(mark=mark, **parts))


def _lines(number: int) -> str:
    return "one line" if number == 1 else f"{number} lines"


def read_answer(text: str, number: int) -> list[tuple[bool, str]]:
    """Return, for each of ``number`` statements in the order shown, whether it is true and the judge's reason.

    Raises Unreadable unless the answer has exactly one line for each statement.
    """
    found: dict[int, tuple[bool, str]] = {}
    shown = answer_text(text)
    lines = list(_LINE.finditer(shown))
    ends = [*(one.start() for one in lines), len(shown)][1:]
    for line, end in zip(lines, ends, strict=True):
        place, true = int(line["number"]), line["yes"] is not None
        if not 1 <= place <= number:
            raise Unreadable(f"it has a line for statement {place}, and there are {number}")
        if place in found:
            raise Unreadable(f"it has two lines for statement {place}")
        if _is_in_doubt(true, shown[line.start("why") : end], place):
            raise Unreadable(f"it does not say clearly whether statement {place} is true")
        found[place] = (true, re.sub(r"^[^\w\n]*", "", line["why"]).strip())
    if missing := [place for place in range(1, number + 1) if place not in found]:
        raise Unreadable(f"it has no line for statement {missing[0]}")
    return [found[place] for place in range(1, number + 1)]


def _is_in_doubt(true: bool, rest: str, place: int) -> bool:
    """Return whether ``rest``, the text after a verdict, takes the verdict back.

    It does so by a question mark directly after the verdict, or by a clause that is a doubt or the opposite verdict.
    """
    if re.match(r"[^\w\n]*\?", rest):
        return True
    text = _CHECK.sub(", yes,", _CROSS.sub(", no,", rest)).lower().replace("\u2019", "'")
    text = unquoted if re.search(r"\w", unquoted := _QUOTED.sub("", text)) else text
    for clause in _CLAUSE.split(text):
        words = [word for word in (one.strip("'") for one in clause.split()) if word not in _FILLERS | {"", str(place)}]
        if not words or any(word not in _VERDICTS and word not in _NEGATIONS | _DOUBTS for word in words):
            continue
        if _DOUBTS.intersection(words):
            return True
        shown = _DOUBLE.sub("yes", " ".join(words)).split()
        if any(_VERDICTS.get(word) is False or word in _NEGATIONS for word in shown) is true:
            return True
    return False


@dataclass
class _Answers:
    """A judge's readable answers to one reply. Each answer says for each statement whether it is true, and why."""

    statements: int
    given: list[list[tuple[bool, str]]] = field(default_factory=list)
    problem: str = ""
    replies: list[Reply] = field(default_factory=list)

    def verdict(self, place: int, agree: int) -> bool | None:
        """Return the result that at least ``agree`` answers give for a statement; None if fewer answers agree."""
        votes = [answer[place][0] for answer in self.given]
        return next((side for side in (False, True) if votes.count(side) >= agree), None)

    def why(self, place: int, side: bool) -> str:
        return next(answer[place][1] for answer in self.given if answer[place][0] is side)

    def record(self, judge: str) -> RubricRecord:
        costs = [one.cost_usd for one in self.replies]
        return RubricRecord(
            judge=judge,
            answers=tuple(tuple(true for true, _ in answer) for answer in self.given),
            asked=len(self.replies),
            tokens=sum((one.tokens for one in self.replies), Tokens()),
            cost_usd=None if not costs or None in costs else sum(cost or 0.0 for cost in costs),
        )


class RubricJudge:
    """Judges rubrics. ``judge_of`` returns the judge for a student's replies.

    The judge is asked through ``replies``, so its answers use the same ledger, cassettes and budget as those of
    students. Answers are also kept below ``rootdir``.
    """

    def __init__(self, replies: Replies, judge_of: JudgeOf, rootdir: Path) -> None:
        self._replies, self._judge_of, self._rootdir = replies, judge_of, rootdir

    def begin(self, task: Task, reply: Reply) -> None:
        """Request the judge's first answers early, so that ``judge`` finds them."""
        if (judge := self._judge(task)) is not None and answer_text(reply.text).strip():
            for number in range(1, (1 if is_at_hand(judge) else AGREE) + 1):
                self._replies.want(self._wanted(task, judge, self._question(task, reply, number)))

    def judge(self, task: Task, reply: Reply) -> Judged:
        """Return the assertions ``rubric[STATEMENT]``. Raises the exceptions of the judge's replies."""
        assert task.case is not None and task.case.expect is not None
        rubric = task.case.expect.rubric
        if not rubric:
            return Judged(())
        if not answer_text(reply.text).strip():
            return Judged(tuple(_assertion(text, False, "the answer is empty") for text in rubric))
        if (judge := self._judge(task)) is None:
            return Judged((), RUBRIC)
        agree = 1 if is_at_hand(judge) else AGREE
        answers = _Answers(len(rubric))
        for number in range(1, (MOST if agree > 1 else 1) + 1):
            if number > agree and all(answers.verdict(place, agree) is not None for place in range(len(rubric))):
                break
            self._ask(task, judge, reply, number, answers)
        return replace(_judged(rubric, answers, agree, judge), note=self._note(task, judge))

    def _note(self, task: Task, judge: StudentConfig) -> str:
        student = self._replies.student(task.student or "").config
        if is_at_hand(judge) or not (family := families.shared(judge.model, student.model)):
            return ""
        rule = "models of one family overlook the same mistakes; name one of another family with --upskill-judge"
        return f"the judge {judge.name} ({judge.model}) is of its student's family, {family}: {rule}"

    def worst_cases(self, task: Task, reply: Reply | None) -> list[tuple[StudentConfig, list[WorstCase]]]:
        """Return the maximum cost of the judge's answers to a task's reply; empty if no judge has to be asked.

        If ``reply`` is None, the longest possible reply is assumed, with one byte for each token.
        """
        judge, case = self._judge(task), task.case
        if judge is None or not (case and case.expect and case.expect.rubric) or not self._replies.asks(judge.name):
            return []
        if reply is None:
            longest = longest_reply(self._replies.student(task.student or "").config)
            prompt = self._question(task, Reply("x" * longest), 1).prompt
            return [(judge, worst_conversation(judge, prompt, _READINGS) * MOST)]
        wanted = (self._wanted(task, judge, self._question(task, reply, number)) for number in range(1, MOST + 1))
        readings = [self._replies.worst_case(each, _READINGS)[1] for each in wanted]
        unknown = [len(each) == _READINGS for each in readings]
        if not any(unknown[:AGREE]):  # two stored answers agree, or the third answer is stored as well
            return []
        return [(judge, [one for each, open_ in zip(readings, unknown, strict=True) if open_ for one in each])]

    def _judge(self, task: Task) -> StudentConfig | None:
        return self._judge_of(task.student) if task.student else None

    def _ask(self, task: Task, judge: StudentConfig, reply: Reply, number: int, answers: _Answers) -> None:
        """Ask for one answer. If the answer cannot be read, ask again and give the reason."""
        question = self._question(task, reply, number)
        for reading in range(_READINGS):
            if reading and not self._replies.student(judge.name).goes_on(question):
                return
            wanted = self._wanted(task, judge, question)
            try:
                answer = self._replies.want(wanted, urgent=True).result()
            except NotAnswered:
                return
            with writing_below(self._rootdir):
                self._replies.use(wanted, answer)
            answers.replies.append(answer)
            try:
                shown = read_answer(answer.text, answers.statements)
            except Unreadable as error:
                answers.problem = str(error)
                told = _AGAIN.format(problem=error, number=_lines(answers.statements))
                question = replace(question, prompt=replace(question.prompt, earlier=(Exchange(answer.text, told),)))
            else:
                order = list(_order(number, answers.statements))
                answers.given.append([shown[order.index(place)] for place in range(answers.statements)])
                return

    def _question(self, task: Task, reply: Reply, number: int) -> Question:
        case = task.case
        assert case is not None and case.expect is not None and task.arm is not None
        trial = f"-{task.trial}" if task.trial > 1 else ""
        arm = f"{ARM}-{task.student}-{asked_arm(task.arm, task.noise)}{trial}"
        prompt = rubric_prompt(case, reply.text, list(_order(number, len(case.expect.rubric))))
        return Question(case.skill, case.name, arm, number, prompt, task.place, apart=task.skill != case.skill)

    def _wanted(self, task: Task, judge: StudentConfig, question: Question) -> Wanted:
        assert task.case is not None
        return Wanted(task.id, judge.name, question, task.case, task.skill_path.parent, task.record)


def _order(number: int, statements: int) -> range:
    """Return the indices of the statements in the order in which question ``number`` to the judge lists them."""
    return range(statements) if number % 2 else range(statements - 1, -1, -1)


def _assertion(text: str, passed: bool, message: str) -> Assertion:
    return Assertion(f"rubric[{' '.join(text.split())}]", passed, "" if passed else message)


def _judged(rubric: Sequence[str], answers: _Answers, agree: int, judge: StudentConfig) -> Judged:
    sides = [answers.verdict(place, agree) for place in range(len(rubric))]
    decided = ((place, side) for place, side in enumerate(sides) if side is not None)
    assertions = tuple(_assertion(rubric[place], side, _reason(answers, place, side, judge)) for place, side in decided)
    unsure = next(_undecided(rubric, sides, answers, judge), None)
    return Judged(assertions, unsure, answers.record(judge.name))


def _reason(answers: _Answers, place: int, side: bool, judge: StudentConfig) -> str:
    return f"not true of the answer, by {judge.name}: {answers.why(place, side) or 'without a reason'}"


def _undecided(
    rubric: Sequence[str], sides: Sequence[bool | None], answers: _Answers, judge: StudentConfig
) -> Iterator[str]:
    for text, side in zip(rubric, sides, strict=True):
        if side is None and answers.problem:
            yield f"the judge {judge.name} gave no answer that can be read: {answers.problem}"
        elif side is None:
            yield f"the judge {judge.name} does not agree with itself on {text!r}"
