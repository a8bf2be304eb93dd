"""Students behind a llama.cpp server, as far as it differs from an OpenAI endpoint."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_upskill.records import Question
from pytest_upskill.students.builtin import DEFAULT_LLAMA_URL
from pytest_upskill.students.openai import OpenAIStudent, Survey
from pytest_upskill.students.reading import Round
from pytest_upskill.students.remote import CONNECT_TIMEOUT
from pytest_upskill.students.serving import plan
from pytest_upskill.students.usage import positive

if TYPE_CHECKING:
    import openai

DEFAULT_PORT = 8080


class LlamaServerStudent(OpenAIStudent):
    """A model behind ``llama-server``. The server accepts any model name, and its list of models says which one
    it has.
    """

    default_url = DEFAULT_LLAMA_URL

    def _request(self, question: Question, rounds: Sequence[Round]) -> dict[str, Any]:
        # Explicit, so that it is recorded: the cache can change a reply, and it saves reading the skill again.
        return {"cache_prompt": True, **super()._request(question, rounds)}

    def _server_facts(self, client: openai.OpenAI) -> Survey:
        """Return the facts at ``/props``; none if the server does not offer it."""
        import openai

        try:
            url = f"{self._address.removesuffix('/v1')}/props"
            props = client.get(url, cast_to=object, options={"timeout": CONNECT_TIMEOUT})
        except (openai.OpenAIError, ValueError, RuntimeError):
            return Survey()
        if not isinstance(props, Mapping):
            return Survey()
        settings = props.get("default_generation_settings")
        context = settings.get("n_ctx") if isinstance(settings, Mapping) else None
        build = props.get("build_info")
        return Survey(
            (), positive(props.get("total_slots")), positive(context), build if isinstance(build, str) else ""
        )

    def slots(self) -> int | None:
        survey = self._survey()
        return survey.slots if isinstance(survey, Survey) else None

    def _serves(self, model: str, served: tuple[str, ...]) -> bool:
        """Return whether the server has the model.

        A server lists its model by a repository, a file or an alias. Each of these contains the model's family, such as
        ``GLM-4.7-Flash`` for ``unsloth/GLM-4.7-Flash-GGUF:Q4_0``.
        """
        family = re.sub(r"([-_.]gguf)$", "", model.rpartition("/")[2].partition(":")[0], flags=re.IGNORECASE)
        return any(_plain(family) in _plain(name) for name in served)

    def _how_to_start(self) -> str:
        command = self.config.serve
        if not command or command in plan.WORDS:
            command = (
                f"llama-server -hf {shlex.quote(self.model)} --port {urlsplit(self._address).port or DEFAULT_PORT}"
            )
        others = "or let this run start it with --upskill-serve; or name another with --upskill-base-url=URL"
        return f"start one with: {command}; {others}"

    def _how_to_fit(self) -> str:
        shared = "it is shared out among the -np slots: each has -c / -np tokens"
        return f"start the server with a larger -c ({shared}), or shorten the skill"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
