"""The built-in students, in the form of the tables of ``pyproject.toml``."""

from collections.abc import Mapping
from typing import Any

DEFAULT_LLAMA_URL = "http://127.0.0.1:8080/v1"
"""The default address of ``llama-server``."""


def _claude(model: str) -> Mapping[str, Any]:
    return {"provider": "anthropic", "model": model, "api_key_env": "ANTHROPIC_API_KEY", "concurrency": 4}


BUILTIN: Mapping[str, Mapping[str, Any]] = {
    "golden": {"provider": "golden", "concurrency": 8},
    "demo": {
        "provider": "demo",
        "model": "demo",
        "temperature": 0.0,
        "max_tokens": 65536,  # each token is one byte, so that a skill takes some 20,000 tokens
        "serve": "demo",
        "concurrency": 2,
        "price": {"in": 0, "out": 0},
    },
    "glm-4.7": {
        "provider": "llama.cpp",
        "model": "unsloth/GLM-4.7-Flash-GGUF:Q4_0",
        "temperature": 0.7,
        # The makers' advice for code. Thinking takes minutes per question on a laptop, and often all of max_tokens.
        "options": {"top_p": 1.0, "min_p": 0.01, "chat_template_kwargs": {"enable_thinking": False}},
    },
    "llama3-8b": {
        "provider": "llama.cpp",
        "model": "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M",
        "temperature": 0.7,
    },
    "haiku": _claude("claude-haiku-5-5"),
    "sonnet": _claude("claude-sonnet-5-5"),
    "opus": _claude("claude-opus-5-5"),
    "opus-teacher": {  # The default teacher of upskill-gen. Skills and cases are long, and a budget needs a price.
        **_claude("claude-opus-5-5"),
        "max_tokens": 32768,
        "timeout": 1800,
        "price": {"in": 5, "out": 25, "cached": 0.5, "written": 6.25},
    },
    "kimi": {
        "provider": "openai",
        "model": "kimi-k2.6",
        "base_url": "https://api.moonshot.ai/v1",
        "api_key_env": "MOONSHOT_API_KEY",
        "max_tokens": 32768,  # this model always thinks first, and its endpoint fixes the temperature
        "concurrency": 4,
    },
}
