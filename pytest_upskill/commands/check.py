"""``pytest-upskill check CASE.md``: judges a case's own solution, and shows the numbers around the worst element."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_upskill.build.build_pool import BuildPool
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.commands.new_case import PLACEHOLDER
from pytest_upskill.devices.base import Machine
from pytest_upskill.devices.choose import choose
from pytest_upskill.errors import CaseError, InfrastructureError, SkillError, UsageError, shown_path
from pytest_upskill.execution.attempts import Answered
from pytest_upskill.execution.outcome import kernel_outcome, mutants_outcome
from pytest_upskill.execution.solution_places import outcome_in_case_file
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.interface import JudgeRequest, JudgeResult, Limits
from pytest_upskill.judging.judge import finish, machine_for, prepare
from pytest_upskill.judging.signatures import contract_of, language_of, signature_of
from pytest_upskill.oracle.garbage import importing
from pytest_upskill.records import ItemKind, LaunchStatistics, Outcome, Reply, ResultFacts, VerdictKind
from pytest_upskill.reporting.failure import failure_lines
from pytest_upskill.reporting.self_check import mutants_lines
from pytest_upskill.reporting.text_style import Cell, TextStyle, can_show, flow, pad, plural
from pytest_upskill.skills.discovery import skill_files
from pytest_upskill.skills.skill import FILE_NAMES, case_paths
from pytest_upskill.students.golden import as_reply

if TYPE_CHECKING:
    from pytest_upskill.commands.close_up import Observer

_LABEL = 10
_MOST_LINES = 60
"""The most lines of the compiler's output that are shown."""
_LARGEST = 1 << 16
"""Elements of the largest examples, unless ``--full`` is given: on the cpu device, a million elements take a second."""
_FEW = 12
"""Examples of each dtype, unless ``--full`` is given. So few examples leave out the timed sizes, some of which take
seconds.
"""


@click.command("check")
@click.argument("path", metavar="CASE.md", type=click.Path(path_type=Path))
@click.option("--full", is_flag=True, help="Also try more and larger examples, wrong results, and mutants.")
@click.option("--example", metavar="EXAMPLE", help="Judge on this example only, in the form that a failure prints.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="The seed of the examples.  [default: random]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where kernels run.")
@click.pass_context
def command(ctx: click.Context, path: Path, full: bool, example: str | None, seed: int | None, device: str) -> None:
    """Judge the solution of a case.

    Shows the inputs, the expected and the computed values around the worst element, the kernel launches, and the
    compiler's messages. CASE.md is a file in a skill's evals/ folder. Its reference and its inputs run in this
    process, or in a sandbox if upskill-gen wrote them and you have not accepted them yet. The exit status is 1 unless
    all assertions pass.
    """
    style = TextStyle(max(shutil.get_terminal_size().columns, 60), color=True, unicode=can_show(sys.stdout.encoding))
    try:
        case = _case(path)
        passed = _check(case, device, secrets.randbelow(2**32) if seed is None else seed, example, full, style)
    except CaseError as error:
        click.echo(style.paint(f"{style.sign('cross')} the case cannot be judged", "red", "bold"))
        click.echo("\n".join(style.wrap(str(error), style.width, 20)))
        passed = False
    ctx.exit(0 if passed else 1)


def _case(path: Path) -> Case:
    """Return the case to check. Raises UsageError if ``path`` is not a case, CaseError if the case is broken."""
    if path.name in FILE_NAMES or path.is_dir():
        raise UsageError(f"{path} is not a case: name a file in the evals/ folder of a skill")
    if not path.is_file():
        there = sorted(one.name for one in path.parent.glob("*.md")) if path.parent.name == "evals" else []
        if called := " or ".join(shlex.quote(str(one)) for one in _called(path.stem)):
            step = f"did you mean {called}?"
        elif there:
            step = f"the folder has {', '.join(there[:10])}"
        else:
            step = "pytest-upskill new-case SKILL/NAME 'OP(ARGUMENTS) -> RESULTS' writes one"
        raise UsageError(f"{path} does not exist; {step}")
    case = load_case(path, path.absolute().parent.parent.name)
    if case.kind == "text":
        raise UsageError(f"{path} is a text case, which has no kernel to judge: pytest {path} --upskill checks it")
    if case.solution is None:
        raise CaseError("the case has no '## Solution' to judge: add a kernel that passes", path)
    return case


def _called(name: str) -> list[Path]:
    """Return the cases of this name in skills below the current folder."""
    with contextlib.suppress(SkillError):
        found = (case for file in skill_files([]) for case in case_paths(file.parent) if case.stem == name)
        return list(dict.fromkeys(found))
    return []


def _check(case: Case, device: str, seed: int, example: str | None, full: bool, style: TextStyle) -> bool:
    shown = os.path.relpath(case.path)
    if PLACEHOLDER in case.task:
        text = f"warning: the task of {shown} still says {PLACEHOLDER}, and it is all that a student sees of the case"
        click.echo("\n".join(style.paint(line, "yellow") for line in style.wrap(text, style.width, 3)))
    machine = _machine(case, device)
    with contextlib.closing(_started_build(case, machine)):
        if not _judge(case, machine, seed, example, full, style):
            return False
    if full:
        return _check_fully(case, machine, style)
    more = "tries more and larger examples, wrong results and mutants"
    click.echo(f"\nnext: pytest-upskill check {shlex.quote(shown)} --full  ({more})")
    return True


def _machine(case: Case, device: str) -> Machine:
    """Return the machine for ``device``, or for the language's first device if the language does not support
    ``device``.
    """
    chosen, possible = choose(device), language_of(case).devices
    return chosen if chosen.device in possible else machine_for(JudgeRequest("", "", {}, device=possible[0]))


def _started_build(case: Case, machine: Machine) -> BuildPool:
    """Start to build the solution while PyTorch is imported.

    The signature assumes the usual dtypes of results. If the results have other dtypes, this build is not used.
    """
    language, signature = language_of(case), contract_of(case).signature(case, ResultFacts({}, {}))
    assert case.solution is not None
    sources, pool = {language.source_name: case.solution.source}, BuildPool(1)
    if contract_of(case).problem(sources, signature) is None:
        pool.begin(lambda: language.build(sources, signature.entry, machine))
    return pool


def _judge(case: Case, machine: Machine, seed: int, example: str | None, full: bool, style: TextStyle) -> bool:
    """Judge the solution, print the result, and return whether it passed."""
    with importing():
        from pytest_upskill.commands.close_up import Observer  # imports torch
        from pytest_upskill.oracle import explore
        from pytest_upskill.oracle.reference_runner import in_this_process

    assert case.solution is not None
    reply, observer = Reply(text=as_reply(case.solution, case.language)), Observer(case)
    extraction, result = contract_of(case).extract(reply.text, signature_of(case)), None
    if extraction.kernel is not None:
        request = JudgeRequest(
            case_text=case.text,
            case_name=case.name,
            sources={language_of(case).source_name: extraction.kernel.source},
            contract=case.contract,
            language=case.language,
            device=machine.device,
            seed=seed,
            example=example,
            examples=None if full else min(case.examples or explore.EXAMPLES, _FEW),
            largest=None if full else _LARGEST,
            trusted=case.trusted,
        )
        ready = prepare(request, machine)
        observed = replace(ready, runner=observer.observed(ready.runner or in_this_process(case)))
        result = finish(request, machine, lambda: observed, observer.see)
        _raise_problem(result, case)
    outcome = kernel_outcome(_task(case, seed, example), case, Answered(reply, extraction), result, ())
    outcome = replace(outcome_in_case_file(outcome, case), replay=_repeated_by(outcome, case))
    for line in (*_verdict_lines(outcome, observer, machine, seed, style), *_details(outcome, result, observer, style)):
        click.echo(line)
    return outcome.verdict.kind is VerdictKind.PASSED


def _task(case: Case, seed: int, example: str | None) -> Task:
    return Task(
        id=case.name, kind=ItemKind.KERNEL, skill=case.skill, skill_path=case.path, case=case, student=None, arm=None,
        trial=1, seed=seed, examples=None, example=example, replay="",
    )  # fmt: skip


def _raise_problem(result: JudgeResult, case: Case) -> None:
    problem = result.problem
    if problem is None:
        return
    if problem.kind == "case":
        raise CaseError(problem.message, case.path, problem.line)
    raise UsageError(problem.message) if problem.kind == "usage" else InfrastructureError(problem.message)


def _repeated_by(outcome: Outcome, case: Case) -> str | None:
    """Return the command that repeats the counterexample."""
    if (found := outcome.verdict.counterexample) is None:
        return None
    return f"pytest-upskill check {shlex.quote(shown_path(case.path))} --example={shlex.quote(str(found.example))}"


def _verdict_lines(
    outcome: Outcome, observer: Observer, machine: Machine, seed: int, style: TextStyle
) -> Iterator[str]:
    if outcome.verdict.kind is not VerdictKind.PASSED:
        yield from failure_lines(outcome, style.width, style.color, style.unicode)
        return
    claim = f"{style.sign('tick')} {outcome.case}: its solution passes on {plural(observer.examples, 'example')}"
    yield style.paint(claim, "green", "bold") + style.paint(f"  ({machine.device} device, seed {seed})", "dim")
    ticks = [Cell((style.sign("tick"), "green"), (f" {one.name}",)) for one in outcome.verdict.assertions]
    yield from flow(ticks, style, 2)
    for note in outcome.notes:
        yield from style.lines(f"note: {note}", 2, "dim")


def _details(outcome: Outcome, result: JudgeResult | None, observer: Observer, style: TextStyle) -> Iterator[str]:
    """Yield the numbers around the worst element, the shapes, the kernel launches, and the compiler's messages."""
    from pytest_upskill.commands.close_up import shapes, table_lines

    if (seen := observer.seen(outcome.verdict)) is not None:
        text = "" if seen.share is None else f": its error is {seen.share:.0%} of what is allowed, the largest share"
        yield ""
        yield from _field("around", f"{seen.title}{text}", style)
        yield from table_lines(seen, style)
        if outcome.verdict.kind is not VerdictKind.PASSED:
            yield from _field("shapes", shapes(seen), style)
    if result is None or result.build is None:
        return
    build = result.build
    yield ""
    if text := _launches(result.launch_statistics):
        yield from _field("launches", text, style)
    if build.compilers:
        said = "no errors" if build.ok else "it says:"
        yield from _field("compiler", f"{' and '.join(build.compilers)}: {said}", style)
        for line in _compiler_words(outcome)[:_MOST_LINES] if not build.ok else ():
            yield f"    {style.clean(line)}"


def _compiler_words(outcome: Outcome) -> list[str]:
    message = next((one.message for one in outcome.verdict.assertions if one.name == "compiles"), "")
    return message.splitlines()


def _launches(statistics: LaunchStatistics) -> str:
    """Return the launches in words; empty for a language without launches."""
    calls, launches = statistics.calls, statistics.launches
    if not calls:
        return ""
    each, rest = divmod(launches, calls)
    text = (
        f"{plural(each, 'kernel')} in each of {plural(calls, 'call')}" if not rest else f"{launches} in {calls} calls"
    )
    copied = statistics.copied_back
    return f"{text}; {copied} bytes copied back to the host in a call" if copied else text


def _field(label: str, text: str, style: TextStyle) -> Iterator[str]:
    for number, line in enumerate(style.wrap(text, style.width - _LABEL - 2, 4)):
        yield f"  {style.paint(pad('' if number else label, _LABEL), 'dim')}{line}"


def _check_fully(case: Case, machine: Machine, style: TextStyle) -> bool:
    """Try wrong results and mutants, print what was found, and return whether the case passed."""
    from pytest_upskill.case_quality.self_check import SelfCheck
    from pytest_upskill.execution.case_gate import subject_of

    click.echo("\nwrong results and mutants of the solution are tried ...")
    checked = SelfCheck(lambda language: machine, Limits().call_seconds).whole(subject_of(case))
    outcome = mutants_outcome(replace(_task(case, 0, None), kind=ItemKind.MUTANTS), checked, 0.0)
    passed = outcome.verdict.kind is VerdictKind.PASSED
    lines = mutants_lines([outcome], style) if passed else failure_lines(outcome, style.width, True, style.unicode)
    for line in lines:
        click.echo(line)
    for note in checked.notes if passed else ():  # the notes on trust are printed by the first part
        click.echo("\n".join(style.lines(f"note: {note}", 2, "yellow")))
    return passed
