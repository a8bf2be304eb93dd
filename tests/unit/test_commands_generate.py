"""The group ``upskill-gen``: every command that it lists can be called."""

import importlib

import pytest
from click.testing import CliRunner

from pytest_upskill.commands.generate.main import PACKAGE, main


def test_the_help_lists_the_commands() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "lint" in result.output


@pytest.mark.parametrize("name", main.list_commands(None))  # type: ignore[arg-type]
def test_every_listed_command_has_a_help_text(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert importlib.import_module(f"{PACKAGE}.{main.table[name][0]}").command.help  # type: ignore[attr-defined]


def test_an_unknown_command_names_the_rule() -> None:
    result = CliRunner().invoke(main, ["nwe"])
    assert result.exit_code == 2
    assert "No such command 'nwe'" in result.output
