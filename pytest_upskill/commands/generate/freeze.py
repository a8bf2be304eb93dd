"""``upskill-gen freeze ITEM``: adds the counterexample of a recorded item to ``always`` of its case."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.cases.example_text import BadExample, read_example
from pytest_upskill.commands.history_options import opened_history
from pytest_upskill.devices.choose import choose
from pytest_upskill.documents.frontmatter_edit import with_item
from pytest_upskill.errors import CaseError, InfrastructureError, UsageError, shown_path
from pytest_upskill.generator.skill_lock import alone
from pytest_upskill.history.selection import case_of, find_item, find_run
from pytest_upskill.history.store import History
from pytest_upskill.judging.interface import JudgeRequest
from pytest_upskill.judging.judge import judge
from pytest_upskill.judging.signatures import language_of
from pytest_upskill.paths import GENERATED, write_atomically
from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.reporting.text_style import printable

_KEY = "always"
GOLDEN = "golden"
"""The student whose kernels are the solutions of cases."""
_MOVING = ("text", "text_hash", "always", "reference", "solution", "inputs")
"""Fields of a case that differ after a line is added to its frontmatter: in their content or in their line number."""


@click.command("freeze")
@click.argument("item", metavar="ITEM")
@click.option(
    "--run",
    "run",
    metavar="RUN",
    help="The run: a number or a JSON report.  [default: the latest with a counterexample]",
)
@click.option("--dry-run", is_flag=True, help="Check the example, and write nothing.")
def command(item: str, run: str | None, dry_run: bool) -> None:
    """Add the counterexample of an item to the examples that its case always tries.

    Adds the example to 'always' in the frontmatter of the case. From then on, every reply is judged on it before the
    drawn examples. If the case's own solution fails on the example, the file is not changed. Prompts do not change.
    ITEM is an id, or a part that only one id contains, such as 'softmax[glm-4.7-skill]'.
    """
    with opened_history() as history:
        number, found = _found(history, item, run)
        root = history.path.parent.parent
    counterexample = found.verdict.counterexample
    assert counterexample is not None
    case, example = case_of(found, root), str(counterexample.example)
    if case.op is None:
        raise UsageError(f"'{case.name}' is a text case, which has no examples")
    changed = _changed(case, example)
    solved = _check(case, changed, example)
    shown = shown_path(case.path)
    if case.text_hash != found.case_digest:
        click.echo(f"note: {shown} has changed since run {number}, so the example may draw other values now")
    if dry_run:
        click.echo(printable(f"{shown} would get '{example}' in '{_KEY}' ({solved})"))
        return
    target = case.path.resolve()
    data = _bytes(target, changed)
    mode = target.stat().st_mode
    with alone(target.parent.parent):
        write_atomically(target, data)
        target.chmod(mode)
        _record(case, parse_case(changed, case.path, case.skill))
    click.echo(printable(f"{shown}: '{_KEY}' has '{example}' now, from run {number} ({solved})"))


def _found(history: History, item: str, run: str | None) -> tuple[int, Outcome]:
    """Return the number of the run, and the item with its counterexample. Raises UsageError."""
    if run is not None:
        number = find_run(history, run)
        found = history.item(number, find_item(history.ids(number), item))
        if found.verdict.counterexample is None:
            raise UsageError(
                f"{found.id} has no counterexample in run {number}: {_why(found)}{_how(found) or '; name another run'}"
            )
        return number, found
    latest: Outcome | None = None
    numbers = sorted(history.numbers(), reverse=True)
    for number in numbers:
        ids = history.ids(number)
        if not any(item in one for one in ids):
            continue
        found = history.item(number, find_item(ids, item))
        if found.verdict.counterexample is not None:
            return number, found
        latest = latest or found
    if latest is None:
        last = find_run(history, "last")
        find_item(history.ids(last), item)
        raise UsageError(f"no item is called {item!r}; 'pytest-upskill runs' lists the runs")
    raise UsageError(
        f"{latest.id} has no counterexample in any recorded run: {_why(latest)} in the latest{_how(latest)}"
    )


def _how(item: Outcome) -> str:
    """Return advice for getting a counterexample, for a self-check or a ``golden`` item; empty for a student's item."""
    if item.kind is not ItemKind.MUTANTS and item.student != GOLDEN:
        return ""
    what = "a failed item of a student is needed, such as that of a kernel that you save as a reply"
    where = f"DIR/{item.skill}/{item.case}.skill.md"
    return f"; {what}: save it as {where}, run 'pytest --upskill-student=files:DIR', and name its item"


def _why(item: Outcome) -> str:
    failed = item.verdict.first_failed
    return f"it fails '{failed.name}' before it runs" if failed else f"it is '{item.verdict.kind}'"


def _changed(case: Case, example: str) -> str:
    """Return the text of the case with ``example`` added to ``always``. Raises CaseError, UsageError."""
    by_hand = f"add it to '{_KEY}' of {shown_path(case.path)} by hand"
    try:
        wanted = str(read_example(example, case))
        if wanted in [str(read_example(text, case)) for text in case.always]:
            raise UsageError(f"{shown_path(case.path)} has '{example}' in '{_KEY}' already: nothing to do")
        text = with_item(case.text, _KEY, example)
        new = parse_case(text, case.path, case.skill)
    except BadExample as error:
        why = f"the case has changed since, and no longer allows '{example}': {error.rule}"
        raise UsageError(f"{shown_path(case.path)}: {why}; take the counterexample of a later run") from None
    except (ValueError, CaseError) as error:
        raise UsageError(f"the frontmatter cannot be edited ({error}): {by_hand}") from None
    if new.always != (*case.always, example) or _unmoved(new) != _unmoved(case):
        raise UsageError(f"the frontmatter has a form that cannot be edited: {by_hand}")
    return text


def _unmoved(case: Case) -> object:
    """Return everything in a case that adding an example must not change, for comparison."""
    snippets = (case.reference, case.solution, case.inputs)
    kept = {name: value for name, value in asdict(case).items() if name not in (*_MOVING, "trusted", "taken_by")}
    return kept, [one and one.source for one in snippets]


def _check(case: Case, text: str, example: str) -> str:
    """Judge the case's solution on the example, and return what was found out, in words. Raises CaseError,
    InfrastructureError.
    """
    if case.solution is None:
        return "the case has no solution that could be checked on it"
    language = language_of(case)
    device = choose("auto").device
    request = JudgeRequest(
        case_text=text,
        case_name=case.name,
        sources={language.source_name: case.solution.source},
        contract=case.contract,
        language=case.language,
        device=device if device in language.devices else language.devices[0],
        example=example,
        trusted=case.trusted,
    )
    result = judge(request)
    verdict = result.verdict
    if verdict.kind is VerdictKind.PASSED:
        return "its solution passes it"
    if verdict.kind is VerdictKind.INFRASTRUCTURE_ERROR:
        raise InfrastructureError(f"{verdict.reason}; {shown_path(case.path)} is unchanged")
    what = "its own solution fails" if verdict.kind is VerdictKind.FAILED else "its own solution cannot be judged on"
    rule = f"correct the solution first, or see whether the reference is wrong; {shown_path(case.path)} is unchanged"
    raise CaseError(f"{what} '{example}' ({verdict.reason}): {rule}", case.path)


def _record(before: Case, after: Case) -> None:
    """Update the record of a generated case. The case is still proven, because its solution passed the new example."""
    evals = before.path.resolve().parent
    if not (evals / GENERATED).is_file():
        return
    from pytest_upskill.cases.provenance import read_provenance, write_provenance

    try:
        record = read_provenance(evals)
    except CaseError:  # the linter reports this error
        return
    listed = record.cases if record else {}  # a case whose file was renamed is found by its text
    name = next((name for name, made in listed.items() if made.text_hash == before.text_hash), None)
    if record and name is not None:
        cases = {**listed, name: listed[name].model_copy(update={"text_hash": after.text_hash})}
        write_provenance(evals, record.model_copy(update={"cases": cases}))


def _bytes(path: Path, text: str) -> bytes:
    """Return the text encoded for the file, with a byte order mark if the file already has one."""
    return text.encode("utf-8-sig" if path.read_bytes().startswith(b"\xef\xbb\xbf") else "utf-8")
