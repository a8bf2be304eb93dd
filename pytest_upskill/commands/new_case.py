"""``pytest-upskill new-case SKILL/NAME SCHEMA``: writes a case, but for its task, reference and kernel."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from string import Template

import click

from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.cases.operator_schema import Argument, Operator, parse_operator
from pytest_upskill.contracts import registry
from pytest_upskill.contracts.function.contract import declaration as function_declaration
from pytest_upskill.contracts.launcher.signature import Signature, declaration, derive
from pytest_upskill.errors import SkillError, UsageError
from pytest_upskill.records import ResultFacts
from pytest_upskill.reporting.text_style import printable
from pytest_upskill.skills.discovery import skill_files
from pytest_upskill.skills.skill import FILE_NAMES

PLACEHOLDER = "TODO"
"""The word in the skeleton at the places that the author has to complete."""

_DIMS, _INDICES = ("n", "size", "length", "count"), ("i", "index", "at", "where")
_VALUES = {"float": "0.5..2.0", "int": "1..8", "bool": "[true, false]"}
_LANGUAGES = {"cuda": "", "python": "\nlanguage: python\ncontract: function"}


@click.command("new-case")
@click.argument("place", metavar="SKILL/NAME", type=click.Path(path_type=Path))
@click.argument("schema", metavar="'OP(ARGUMENTS) -> RESULTS'")
@click.option(
    "--language",
    type=click.Choice(list(_LANGUAGES)),
    default="cuda",
    show_default=True,
    help="The solution's language.",
)
def command(place: Path, schema: str, language: str) -> None:
    """Write the skeleton of a case.

    Writes SKILL/evals/NAME.md. SKILL is the folder of a skill, or the name of a skill below the current folder. The
    second argument is a PyTorch operator schema, such as 'scale(Tensor x, float factor) -> Tensor'. All tensors get
    the same size; change 'dims' and 'args' as needed. The exit status is 2 if nothing was written.
    """
    skill = skill_of(place)
    path = skill.parent / "evals" / f"{place.name.removesuffix('.md')}.md"
    text = skeleton(schema, path, language)
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists already: choose another name, or remove that file") from None
    shown = printable(str(path))
    click.echo(f"wrote {shown}: replace each {PLACEHOLDER}, then run: pytest-upskill check {shlex.quote(shown)}")


def skill_of(place: Path) -> Path:
    """Return the SKILL.md of the skill that the new case belongs to. Raises UsageError, SkillError."""
    folder = place.parent.parent if place.parent.name == "evals" else place.parent
    if found := next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None):
        return found
    if folder.is_dir():
        raise SkillError("the folder holds no SKILL.md: add one with 'name' and 'description', or name a skill", folder)
    try:
        named = [file for file in skill_files([]) if file.absolute().parent.name == str(folder)]
    except SkillError:
        named = []
    if len(named) != 1:
        several = f"; {' and '.join(str(file.parent) for file in named)} have this name: give the path" if named else ""
        below = folder if len(folder.parts) > 1 or not Path("skills").is_dir() else "skills" / folder
        create = f"create it with a file {below}/SKILL.md, or give the path of another skill"
        raise UsageError(f"there is no skill '{folder}'{several or f': {create}'}")
    return named[0]


def skeleton(schema: str, path: Path, language: str) -> str:
    """Return the text of a case for an operator schema. Raises UsageError, CaseError."""
    try:
        operator = parse_operator(schema, ())
    except ValueError as error:
        raise UsageError(str(error)) from None
    taken = {operator.name, *operator.results, *(argument.name for argument in operator.arguments)}
    dim, index = (next(name for name in _names(*names) if name not in taken) for names in (_DIMS, _INDICES))
    tensors = [one for one in operator.arguments if one.kind == "Tensor"]
    parts = {
        "op": operator.text,
        "name": operator.name,
        "dim": dim,
        "args": "".join(f"\n  {one.name}: {_described(one, dim)}" for one in operator.arguments) or " {}",
        "language": _LANGUAGES[language],
        # Without a tensor among the arguments, only the size determines how large the result is.
        "parameters": ", ".join([*(one.name for one in operator.arguments), *([] if tensors else [dim])]),
        "reference": _reference(operator),
        "fence": language,
    }
    template = Template(_text("new_case.md"))
    unsolved = template.substitute(parts, solution="TODO")
    return template.substitute(parts, solution=_solution(unsolved, path, dim, index))


def _names(*first: str) -> Iterator[str]:
    yield from first
    yield from (f"{first[0]}{number}" for number in itertools.count(1))


def _text(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _described(argument: Argument, dim: str) -> str:
    return f"[{dim}]" if argument.kind == "Tensor" else f"{{values: {_VALUES[argument.kind]}}}"


def _reference(operator: Operator) -> str:
    changed = [argument.name for argument in operator.arguments if argument.mutable]
    steps = [f"update {' and '.join(changed)} in place, as in {changed[0]}.add_(1)"] if changed else []
    steps += [f"return {', '.join(operator.results)}, computed by PyTorch without casts"] if operator.results else []
    return f'raise NotImplementedError("{PLACEHOLDER}: {"; ".join(steps)}")'


def _solution(unsolved: str, path: Path, dim: str, index: str) -> str:
    """Return the code of the solution. Its signature is derived in the same way as for a finished case."""
    case = parse_case(unsolved, path, path.parent.parent.name)
    if case.language == "python":
        contract = registry.find(case.contract)
        assert contract is not None
        head = function_declaration(contract.signature(case, ResultFacts({}, {})))  # type: ignore[arg-type]
        return f'import torch\n\n\n{head}\n    raise NotImplementedError("{PLACEHOLDER}: a function that passes")'
    signature = derive(case, {})
    name = f"{signature.name}_kernel"
    written = [one.name for one in signature.parameters if one.role in ("output", "inplace")]
    writes = [f"    {one}[{index}] = 0;  // {PLACEHOLDER}: element {index} of {one}" for one in written]
    kernel = replace(signature, name=name, parameters=signature.parameters[:-1])
    return (
        Template(_text("new_case.cu"))
        .substitute(
            kernel=_head(kernel).replace("\n", "\n" + " " * len("__global__ ")),
            launcher=_head(signature),
            name_kernel=name,
            dim=dim,
            index=index,
            writes="\n".join(writes),
            passed=", ".join(one.name for one in kernel.parameters),
        )
        .rstrip()
    )


def _head(signature: Signature) -> str:
    return declaration(signature).removesuffix(";")
