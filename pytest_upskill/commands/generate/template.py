"""``upskill-gen template SKILL``: writes the skeleton of a skill, with one case that passes."""

from __future__ import annotations

import re
import shlex
from importlib import resources
from pathlib import Path
from string import Template

import click

from pytest_upskill.cases.provenance import Provenance, Written, write_provenance
from pytest_upskill.errors import UsageError
from pytest_upskill.generator.answers import SKILL_NAME, is_reserved
from pytest_upskill.paths import write_atomically
from pytest_upskill.reporting.text_style import printable
from pytest_upskill.skills.skill import MAX_NAME

_FILES = {
    "SKILL.md": "template_skill.md",
    "references/details.md": "template_details.md",
    "evals/scale_rows.md": "template_case.md",
}
"""The template beside this module, by the path of the file that it becomes in the new skill."""


@click.command("template")
@click.argument("folder", metavar="SKILL", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Write the skeleton of a skill with one case that passes.

    SKILL is the folder to write, such as skills/my-kernels; its last part is the skill's name. No key and no model are
    needed. The exit status is 2 if nothing was written.
    """
    name = folder.absolute().name
    if not re.fullmatch(SKILL_NAME, name) or len(name) > MAX_NAME or is_reserved(name):
        raise UsageError(f"'{name}' is not a skill name: use lower-case letters, digits and single hyphens")
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"{folder} exists and is not an empty folder; name a new one")
    parts = {"name": name, "title": name.replace("-", " ").capitalize()}
    write_provenance(folder / "evals", Provenance(skill=Written(teacher="template")))
    for path, source in _FILES.items():
        text = (resources.files(__package__) / source).read_text(encoding="utf-8")
        write_atomically(folder / path, Template(text).substitute(parts) if path == "SKILL.md" else text)
    shown = printable(shlex.quote(str(folder)))
    click.echo(f"wrote {shown}: SKILL.md, references/details.md and a case, evals/scale_rows.md")
    click.echo(f"check the case:  pytest-upskill check {shown}/evals/scale_rows.md")
    click.echo(f"add a case:      pytest-upskill new-case {shown}/NAME 'NAME(Tensor x) -> Tensor'")
    click.echo(f"run the skill:   pytest {shown} --upskill")
