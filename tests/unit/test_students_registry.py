"""Naming students: what a name, a table and a folder become, and what is said where they cannot be meant so."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.errors import UsageError
from pytest_upskill.students.base import DEFAULT_MAX_TOKENS, DEFAULT_TIMEOUT, Price, StudentConfig
from pytest_upskill.students.registry import create, resolve

HERE = Path("/")
OURS = {"provider": "openai", "model": "tutor-1"}


def only(spec: str, tables: Any = None, folder: Path = HERE, base_url: str | None = None) -> StudentConfig:
    (config,) = resolve([spec], tables or {}, folder, base_url)
    return config


def refused(*specs: str, tables: Any = None, folder: Path = HERE) -> str:
    with pytest.raises(UsageError) as caught:
        resolve(specs, tables or {}, folder, None)
    return str(caught.value)


# --------------------------------------------------------------------------------------------- built in


@pytest.mark.parametrize(
    ("name", "provider", "key"),
    [
        ("golden", "golden", None),
        ("glm-4.7", "llama.cpp", None),
        ("llama3-8b", "llama.cpp", None),
        ("haiku", "anthropic", "ANTHROPIC_API_KEY"),
        ("sonnet", "anthropic", "ANTHROPIC_API_KEY"),
        ("opus", "anthropic", "ANTHROPIC_API_KEY"),
        ("kimi", "openai", "MOONSHOT_API_KEY"),
    ],
)
def test_a_built_in_student_needs_no_table(name: str, provider: str, key: str | None) -> None:
    config = only(name)
    assert (config.name, config.provider, config.api_key_env) == (name, provider, key)
    assert create(config).name == name


def test_glm_is_the_quantised_flash_model_and_does_not_think_aloud() -> None:
    config = only("glm-4.7")
    assert config.model == "unsloth/GLM-4.7-Flash-GGUF:Q4_0"
    assert config.base_url == "http://127.0.0.1:8080/v1"
    assert config.options["chat_template_kwargs"] == {"enable_thinking": False}


def test_the_base_url_option_moves_llama_students_and_no_others() -> None:
    url = "http://10.0.0.5:9000/v1"
    assert only("glm-4.7", base_url=f"{url}/").base_url == url
    assert (
        only("mine", {"mine": {**OURS, "provider": "llama.cpp", "base_url": "http://x/v1"}}, base_url=url).base_url
        == url
    )
    assert only("kimi", base_url=url).base_url == "https://api.moonshot.ai/v1"


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8080", "http://127.0.0.1:99999/v1", "http://[::1/v1", "http://a b/v1", "http://:80/v1", "http://h:x/"],
)
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        only("glm-4.7", base_url=url)
    assert str(caught.value) == f"--upskill-base-url = {url!r}: expected a URL such as http://127.0.0.1:8080/v1"


def test_making_students_imports_no_sdk() -> None:
    program = (
        "import sys; from pathlib import Path; from pytest_upskill.students.registry import create, resolve\n"
        "made = [create(config) for config in resolve(['kimi,opus,glm-4.7'], {}, Path())]\n"
        "assert len(made) == 3; print(sorted({'openai', 'anthropic', 'httpx2', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_student_whose_sdk_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        create(only("opus"))
    assert str(caught.value) == (
        "student 'opus' needs the package 'anthropic', which is not installed; install it with: pip install anthropic"
    )


# --------------------------------------------------------------------------------------------- tables


def test_a_table_makes_a_student_with_every_field() -> None:
    table = {
        "provider": "openai", "model": "m", "base_url": "https://host/v1/", "api_key_env": "MY_KEY", "temperature": 0,
        "max_tokens": 100, "timeout": 5, "concurrency": 3, "price": {"in": 1, "out": 2.5, "cached": 0.5},
        "serve": "start-it", "options": {"top_k": 1},
    }  # fmt: skip
    assert only("mine", {"mine": table}) == StudentConfig(
        name="mine", provider="openai", model="m", base_url="https://host/v1", api_key_env="MY_KEY", temperature=0.0,
        max_tokens=100, timeout=5.0, concurrency=3, price=Price(1.0, 2.5, 0.5), serve="start-it", options={"top_k": 1},
    )  # fmt: skip


def test_fields_that_a_table_leaves_out_have_defaults() -> None:
    config = only("mine", {"mine": OURS})
    assert (config.max_tokens, config.timeout, config.concurrency) == (DEFAULT_MAX_TOKENS, DEFAULT_TIMEOUT, None)
    assert (config.temperature, config.price, config.api_key_env) == (None, None, None)


def test_a_table_overrides_fields_of_a_built_in_student() -> None:
    config = only("glm-4.7", {"glm-4.7": {"temperature": 0.1}})
    assert config.temperature == 0.1
    assert config.model == "unsloth/GLM-4.7-Flash-GGUF:Q4_0"


def test_a_price_without_cached_costs_cached_tokens_in_full() -> None:
    assert only("mine", {"mine": {**OURS, "price": {"in": 3, "out": 4}}}).price == Price(3.0, 4.0, 3.0)


def test_configurations_go_to_other_processes() -> None:
    config = only("glm-4.7")
    assert pickle.loads(pickle.dumps(config)) == config


def test_an_unknown_field_names_the_nearest_and_all_fields() -> None:
    assert refused("mine", tables={"mine": {**OURS, "temprature": 1}}) == (
        "[tool.upskill.students.mine]: unknown field 'temprature'; did you mean 'temperature'? (fields: provider, "
        "model, base_url, api_key_env, temperature, max_tokens, timeout, concurrency, price, serve, disclosure, "
        "options, extra_body, system)"
    )


def test_a_key_in_a_table_is_refused_without_being_shown() -> None:
    for table in ({"api_key": "sk-secret-1"}, {"api_key_env": "sk-secret-1"}):
        message = refused("mine", tables={"mine": {**OURS, **table}})
        assert "api_key_env" in message
        assert "sk-secret-1" not in message


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("provider", 3, "one of openai, llama.cpp, anthropic, or that of a plugin"),
        ("provider", "files", "one of openai, llama.cpp, anthropic, or that of a plugin"),
        ("model", "", "a text that is not empty"),
        ("base_url", "127.0.0.1:8080", "a URL such as http://127.0.0.1:8080/v1"),
        ("temperature", "warm", "a number from 0 to 2"),
        ("temperature", True, "a number from 0 to 2"),
        ("temperature", float("nan"), "a number from 0 to 2"),
        ("max_tokens", 0, "a whole number from 1 to 10000000"),
        ("max_tokens", 10.5, "a whole number from 1 to 10000000"),
        ("timeout", 0, "a number of seconds above 0, at most 86400"),
        ("concurrency", False, "a whole number from 1 to 1024"),
        ("price", 3, "USD per million tokens, such as {in = 0.6, out = 2.5, cached = 0.15}"),
        ("price", {"in": 1}, "USD per million tokens, such as"),
        ("price", {"in": 1, "out": 1, "input": 1}, "USD per million tokens, such as"),
        ("serve", ["a"], "a text that is not empty"),
        ("options", "x", "a table of further fields of each request"),
    ],
)
def test_a_value_of_the_wrong_kind_names_table_field_value_and_what_was_expected(
    field: str, value: Any, expected: str
) -> None:
    message = refused("mine", tables={"mine": {**OURS, field: value}})
    assert message.startswith(f"[tool.upskill.students.mine]: {field} = {value!r}: expected {expected}")


def test_a_price_that_is_no_number_names_the_part() -> None:
    message = refused("mine", tables={"mine": {**OURS, "price": {"in": 1, "out": "x"}}})
    assert message.startswith("[tool.upskill.students.mine]: price.out = 'x': expected a number from 0 to 1000000")


def test_a_new_student_needs_a_provider_and_a_model() -> None:
    assert refused("mine", tables={"mine": {"model": "m"}}) == (
        "[tool.upskill.students.mine]: 'provider' is missing; give one of openai, llama.cpp, anthropic"
    )
    assert "'model' is missing" in refused("mine", tables={"mine": {"provider": "openai"}})


def test_a_provider_of_a_plugin_is_accepted_and_refused_only_where_no_plugin_makes_it() -> None:
    config = only("mine", {"mine": {"provider": "opnai", "model": "m"}})
    with pytest.raises(UsageError) as caught:
        create(config)
    assert str(caught.value).startswith("student 'mine': unknown provider 'opnai'; did you mean 'openai'? (providers: ")


def test_the_golden_student_takes_no_table() -> None:
    assert "'golden' is built in and takes no fields" in refused("haiku", tables={"golden": {"model": "x"}})


def test_a_name_that_cannot_stand_in_an_id_is_refused() -> None:
    message = refused("a/b", tables={"a/b": OURS})
    assert message.endswith("a student's name is made of letters, digits, '.', '-' and '_', not 'a/b'")


def test_a_broken_table_that_nobody_asks_for_is_nobodys_trouble() -> None:
    assert only("golden", {"mine": {"provider": 3}}).name == "golden"


# --------------------------------------------------------------------------------------------- names


def test_students_come_in_the_order_asked_each_once() -> None:
    configs = resolve(["kimi, golden", "glm-4.7", "golden,"], {}, HERE, None)
    assert [config.name for config in configs] == ["kimi", "golden", "glm-4.7"]


def test_an_unknown_name_names_the_nearest_and_all_known() -> None:
    message = refused("gml-4.7", tables={"mine": OURS})
    assert message.startswith(
        "--upskill-student: unknown student 'gml-4.7'; did you mean 'glm-4.7'? (known: demo, glm-4.7, golden, "
    )
    assert ", mine, " in message
    assert "[tool.upskill.students.gml-4.7]" in message


# --------------------------------------------------------------------------------------------- folders


def test_a_folder_is_relative_to_where_pytest_was_called(tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    config = only("files:answers", folder=tmp_path)
    assert (config.name, config.provider) == ("files", "files")
    assert (config.folder, config.options) == (tmp_path / "answers", {})
    assert only(f"files:{tmp_path / 'answers'}", folder=HERE) == config


def test_a_label_is_the_name_and_an_equals_sign_in_a_path_is_not_a_label(tmp_path: Path) -> None:
    (tmp_path / "a=b").mkdir()
    assert only("files:glm-4.7=.", folder=tmp_path).name == "glm-4.7"
    assert only("files:./a=b", folder=tmp_path).folder == tmp_path / "a=b"
    assert only("files:x=a=b", folder=tmp_path).folder == tmp_path / "a=b"


def test_a_folder_that_is_not_there_is_told_with_the_layout_that_is_expected(tmp_path: Path) -> None:
    assert refused("files:answers", folder=tmp_path) == (
        f"--upskill-student: 'files:answers': {tmp_path / 'answers'} does not exist; expected a folder with "
        f"<skill>/<case>.<arm>.md, <case>.<arm>-2.md for the second trial"
    )
    (tmp_path / "answers").write_text("")
    assert "is not a folder; expected a folder with" in refused("files:answers", folder=tmp_path)


def test_files_without_a_folder_says_how_to_name_one() -> None:
    for spec in ("files", "files:", "files:x="):
        assert refused(spec) == f"--upskill-student: {spec!r} names no folder; write files:DIR or files:LABEL=DIR"


def test_two_folders_need_two_names(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    assert refused("files:a", "files:b", folder=tmp_path) == (
        "--upskill-student: two different students are called 'files' (the second is 'files:b'); "
        "give one of them another name with files:LABEL=DIR"
    )
    assert [config.name for config in resolve(["files:a,files:other=b,files:a"], {}, tmp_path)] == ["files", "other"]


def test_a_folder_cannot_be_called_golden(tmp_path: Path) -> None:
    assert "'golden' is built in; choose another label" in refused("files:golden=.", folder=tmp_path)
