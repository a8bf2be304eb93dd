"""What is started for a student, where, and when nothing is."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.errors import StudentError
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.builtin import DEFAULT_LLAMA_URL
from pytest_upskill.students.serving import embedded as hub
from pytest_upskill.students.serving import plan

ROOT = Path("/project")


def config(serve: str | None = None, base_url: str | None = None, provider: str = "llama.cpp") -> StudentConfig:
    return StudentConfig("pupil", provider, "owner/Model-GGUF:Q4_0", base_url, max_tokens=1000, serve=serve)


@pytest.mark.parametrize(
    ("student", "asked_for", "wanted"),
    [
        (config(), False, False),
        (config(), True, True),
        (config("my-server"), False, True),
        (config("my-server", provider="openai"), False, True),
        (config(provider="openai"), True, False),
        (config(provider="anthropic"), True, False),
        (config("my-server", "http://gpu.example:8080/v1"), True, False),
        (config("my-server", "http://localhost:8080/v1"), False, True),
    ],
)
def test_a_server_is_started_where_the_table_or_the_user_asks_and_on_this_machine_alone(
    student: StudentConfig, asked_for: bool, wanted: bool
) -> None:
    assert plan.is_wanted(student, asked_for) is wanted


def test_llama_server_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    made = plan.make(config(base_url="http://127.0.0.1:8123/v1"), ROOT)
    assert made.command == (
        "/bin/llama-server", "-hf", "owner/Model-GGUF:Q4_0", "--host", "127.0.0.1", "--port", "8123", "-c", "34768",
        "-np", "2", "--alias", "owner/Model-GGUF:Q4_0",
    )  # fmt: skip
    assert (made.base_url, made.health) == ("http://127.0.0.1:8123/v1", "http://127.0.0.1:8123/health")
    assert made.log == ROOT / ".upskill/serve/pupil.log"


def test_the_default_address_leaves_the_port_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    made = plan.make(config(base_url=DEFAULT_LLAMA_URL), ROOT)
    assert made.base_url != DEFAULT_LLAMA_URL
    assert made.command[1:5] == ("-m", "pytest_upskill.students.serving.embedded", "--hub", "owner/Model-GGUF:Q4_0")
    assert made.base_url == f"http://127.0.0.1:{made.command[made.command.index('--port') + 1]}/v1"
    existing = plan.existing(config(base_url=DEFAULT_LLAMA_URL))
    assert existing is not None and existing.health == "http://127.0.0.1:8080/health"


def test_without_a_server_to_start_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StudentError, match=r"neither llama-server nor the package 'xllamacpp' .* pip install"):
        plan.make(config(), ROOT)


def test_a_command_of_the_users_own_runs_as_it_is_and_may_ask_for_a_free_port() -> None:
    fixed = plan.make(config("vllm serve 'my model'", "http://127.0.0.1:8000/v1", "openai"), ROOT)
    assert fixed.command == ("vllm", "serve", "my model")
    assert (fixed.base_url, fixed.health) == ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/models")
    free = plan.make(config("serve --port={port}", "http://127.0.0.1:8000/v1"), ROOT)
    assert free.base_url == f"http://127.0.0.1:{free.command[1].removeprefix('--port=')}/v1" != fixed.base_url
    assert plan.existing(config("serve --port={port}", "http://127.0.0.1:8000/v1")) is None


def test_a_command_that_is_none_names_the_table() -> None:
    with pytest.raises(StudentError, match=r"\[tool\.upskill\.students\.pupil\]: serve = \"a 'b\": No closing"):
        plan.make(config("a 'b"), ROOT)


FILES = [
    "README.md", "M-Q4_K_M.gguf", "M-Q8_0.gguf", "M-UD-Q4_0.gguf", "mmproj-M-Q8_0.gguf",
    "BF16/M-BF16-00002-of-00002.gguf", "BF16/M-BF16-00001-of-00002.gguf",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("o/M:Q8_0", ["M-Q8_0.gguf"]),
        ("o/M:q8_0", ["M-Q8_0.gguf"]),
        ("o/M:Q4_0", ["M-UD-Q4_0.gguf"]),
        ("o/M", ["M-Q4_K_M.gguf"]),
        ("o/M:BF16", ["BF16/M-BF16-00001-of-00002.gguf", "BF16/M-BF16-00002-of-00002.gguf"]),
    ],
)
def test_a_tag_means_the_file_that_llama_cpp_would_take(name: str, files: list[str]) -> None:
    assert hub.choose(name, FILES) == files


@pytest.mark.parametrize(
    ("name", "files", "said"),
    [
        ("o/M:Q2_K", FILES, "o/M has no file for 'Q2_K'; it has BF16/"),
        ("o/M", ["README.md"], "o/M holds no GGUF file"),
        ("o/M:BF16", FILES[:-1], "is one of 2 parts, of which 1 are there"),
    ],
)
def test_a_model_that_is_not_there_is_told_with_those_that_are(name: str, files: list[str], said: str) -> None:
    with pytest.raises(hub.HubError) as caught:
        hub.choose(name, files)
    assert said in str(caught.value)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Hub's client, with what it raises and what is in its cache in the hands of the test."""
    hub_client = pytest.importorskip("huggingface_hub", reason="needs: pip install 'pytest-upskill[llama]'")

    def answer(error: Exception, cache: Path | None = None) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise error

        def look(*_: object, **options: object) -> str:
            assert options == {"local_files_only": True}
            if cache is None:
                raise OSError("nothing is cached")
            return str(cache)

        monkeypatch.setattr(hub_client.HfApi, "list_repo_files", refuse)
        monkeypatch.setattr(hub_client, "snapshot_download", look)

    return answer


def test_without_a_network_a_model_of_the_cache_is_taken(client: Any, tmp_path: Path) -> None:
    (tmp_path / "M-Q8_0.gguf").touch()
    client(RuntimeError("no network"), tmp_path)
    assert hub.fetch("o/M:Q8_0") == tmp_path / "M-Q8_0.gguf"
    with pytest.raises(hub.HubError, match=r"o/M cannot be fetched \(RuntimeError: no network\); check the network"):
        hub.fetch("o/M:Q4_0")


def test_a_model_that_asks_for_consent_says_where_to_give_it(client: Any) -> None:
    errors = pytest.importorskip("huggingface_hub.errors")
    client(errors.GatedRepoError.__new__(errors.GatedRepoError))
    with pytest.raises(hub.HubError, match="o/M requires that you accept its terms: do so on its page"):
        hub.fetch("o/M:Q4_0")
    client(errors.RepositoryNotFoundError.__new__(errors.RepositoryNotFoundError))
    with pytest.raises(hub.HubError, match="o/M is not on the Hub, or private"):
        hub.fetch("o/M:Q4_0")
