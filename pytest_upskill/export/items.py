"""Exports recorded items: a passing kernel of the contract ``launcher``, or a passing project for kernel-builder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import UpskillError, UsageError, shown_path
from pytest_upskill.history.selection import case_of
from pytest_upskill.records import ItemKind, Outcome, RunInfo, VerdictKind

CONTRACTS = ("launcher", "kernel-builder")
"""The contracts whose kernels can be exported."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The exported project of a kernel, in ``folder``. ``fresh`` is False if the folder had the same files already."""

    outcome: Outcome
    folder: Path
    fresh: bool


def export_item(
    outcome: Outcome, case: Case, info: RunInfo, folder: Path, taken: dict[str, str] | None = None
) -> Exported:
    """Write the project of an item to a folder of its own below ``folder``. ``taken`` maps the names of projects to
    items. The project's name is added to it, and must not belong to another item.

    Raises UsageError if the item cannot be exported, CaseError if a reference fails, InfrastructureError if files
    cannot be written. Nothing is left half-written.
    """
    if (why := _refusal(outcome, case)) is not None:
        raise UsageError(f"{outcome.id} cannot be exported: {why}")
    from pytest_upskill.export.folder import write_project  # here, because these modules import torch

    name, files = _project(outcome, case, info)
    if taken is not None and (first := taken.setdefault(name, outcome.id)) != outcome.id:
        what = f"its project has the name '{name}', as that of {first}"
        raise UsageError(f"{outcome.id} cannot be exported: {what}; export it to another folder: pytest-upskill export")
    return Exported(outcome, folder / name, write_project(folder / name, files))


def _refusal(outcome: Outcome, case: Case) -> str | None:
    """Why an item cannot be exported; None if it can."""
    shown, verdict = shown_path(case.path), outcome.verdict.kind
    if outcome.kind is not ItemKind.KERNEL or outcome.source is None:
        return "it has no kernel; name an item of a student, such as 'softmax[glm-4.7-skill]'"
    if verdict is not VerdictKind.PASSED:
        return f"it is '{verdict}', and only kernels that passed are exported; name one that passed"
    if case.contract not in CONTRACTS:
        return f"its contract is '{case.contract}'; projects are written for {' and '.join(CONTRACTS)}"
    if outcome.case_digest and outcome.case_digest != case.text_hash:
        return f"{shown} has changed since the kernel was judged; run the item again, and export it then"
    if not case.trusted:
        return f"{shown} was generated, and its code would become tests; accept it first: upskill-gen accept"
    return None


def _project(outcome: Outcome, case: Case, info: RunInfo) -> tuple[str, dict[str, str]]:
    """The name of a project, and its files."""
    from pytest_upskill.export.operation import Operation, interface_of_project
    from pytest_upskill.export.project_files import Origin, launcher_project, reply_project
    from pytest_upskill.judging.signatures import signature_of

    model = str(info.students.get(outcome.student or "", {}).get("model") or "")
    origin = Origin(outcome, info.machine, info.device, info.version, model)
    signature, source = signature_of(case), outcome.source or ""
    if case.contract == "launcher":
        operation = Operation(case, signature, source)  # type: ignore[arg-type]
        return operation.name, launcher_project(operation, origin)
    from pytest_upskill.languages.torch_extension import SOURCE_NAME, build_toml
    from pytest_upskill.languages.torch_extension.project import ProjectError, project_of

    try:
        project = project_of({SOURCE_NAME: source})
        build = build_toml.read(project.texts)
    except ProjectError as error:
        raise UsageError(f"{outcome.id} cannot be exported: {error}") from None
    interface = interface_of_project(case, signature, build)  # type: ignore[arg-type]
    return interface.name, reply_project(project, interface, build, origin)


def export_run(outcomes: Iterable[Outcome], info: RunInfo, root: Path, folder: Path) -> Iterator[Exported | str]:
    """Export the first passing kernel of each case of a run. Yields an ``Exported`` for each kernel, or a message about
    a problem.
    """
    done: dict[Path, str] = {}
    names: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.kind is not ItemKind.KERNEL or outcome.verdict.kind is not VerdictKind.PASSED:
            continue
        try:
            case = case_of(outcome, root)
            if case.contract not in CONTRACTS or case.path.resolve() in done:
                continue
            done[case.path.resolve()] = outcome.id
            yield export_item(outcome, case, info, folder, names)
        except UpskillError as error:
            yield str(error)
