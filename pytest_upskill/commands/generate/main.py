"""The console script ``upskill-gen``: one click group with lazy commands."""

from collections.abc import Mapping

import click

from pytest_upskill.commands.lazy_group import LazyGroup
from pytest_upskill.records.version import VERSION

PACKAGE = "pytest_upskill.commands.generate"
COMMANDS: Mapping[str, tuple[str, str]] = {
    "new": ("new", "Write a skill with proven cases."),
    "template": ("template", "Write the skeleton of a skill with one case that passes (needs no key)."),
    "add-cases": ("add_cases", "Add proven cases to a skill."),
    "case": ("one_case", "Add one case, for an operator that you describe."),
    "from-function": ("from_function", "Make a case from a PyTorch or NumPy function."),
    "from-trace": ("from_trace", "Write a skill from the transcript of a coding agent."),
    "from-docs": ("from_docs", "Write a skill from documents."),
    "import-kernelbench": ("import_kernelbench", "Make cases from problems of KernelBench."),
    "import-sol": ("import_sol", "Make cases from definitions of SOL-ExecBench or FlashInfer-Bench."),
    "import-upskill": ("import_upskill", "Make cases from tests of Hugging Face's upskill, another tool."),
    "import-evals": ("import_evals", "Make cases from an evals.json (skill-creator, agentskills.io)."),
    "plan": ("plan", "Show how many cases and trials decide a lift, and what they cost."),
    "lint": ("lint", "Check the files of skills and cases, as pytest-upskill lint does."),
    "accept": ("accept", "Show the code of cases, and trust it on this machine."),
    "freeze": ("freeze", "Add the counterexample of an item to the examples that its case always tries."),
    "refine": ("refine", "Improve a skill from the counterexamples of a student."),
    "triggers": ("triggers", "Improve the description of a skill, so that agents open it when they should."),
    "ablate": ("ablate", "Measure which sections of a skill carry its lift."),
    "delete": ("delete", "Remove a skill that upskill-gen has written."),
}
"""Each command's module and its line in ``--help``. A module is imported when its command is called."""


@click.command(
    cls=LazyGroup,
    package=PACKAGE,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, prog_name="upskill-gen")
def main() -> None:
    """Write skills and cases with a teacher, prove each case, and improve skills."""
