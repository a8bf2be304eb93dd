"""The students that exist without any configuration, in the form of the tables of ``pyproject.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_LLAMA_URL = "http://127.0.0.1:8080/v1"
"""Where ``llama-server`` answers unless it is told otherwise."""

BUILTIN: Mapping[str, Mapping[str, Any]] = {
    "golden": {"provider": "golden", "concurrency": 8},
    "demo": {
        "provider": "demo",
        "model": "demo",
        "temperature": 0.0,
        "max_tokens": 65536,  # its tokens are bytes, so that a skill takes some 20,000 of them
        "serve": "demo",
        "concurrency": 2,
        "price": {"in": 0, "out": 0},
    },
    "glm-4.7": {
        "provider": "llama.cpp",
        "model": "unsloth/GLM-4.7-Flash-GGUF:Q4_0",
        "temperature": 0.7,
        # Sampling as its makers advise for code. Thinking aloud takes minutes a question on a laptop, and often
        # uses up all of max_tokens.
        "options": {"top_p": 1.0, "min_p": 0.01, "chat_template_kwargs": {"enable_thinking": False}},
    },
    "llama3-8b": {
        "provider": "llama.cpp",
        "model": "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M",
        "temperature": 0.7,
    },
    "haiku": {
        "provider": "anthropic",
        "model": "claude-haiku-5-5",
        "api_key_env": "ANTHROPIC_API_KEY",
        "concurrency": 4,
    },
    "sonnet": {
        "provider": "anthropic",
        "model": "claude-sonnet-5-5",
        "api_key_env": "ANTHROPIC_API_KEY",
        "concurrency": 4,
    },
    "opus": {"provider": "anthropic", "model": "claude-opus-5-5", "api_key_env": "ANTHROPIC_API_KEY", "concurrency": 4},
    "kimi": {
        "provider": "openai",
        "model": "kimi-k2.6",
        "base_url": "https://api.moonshot.ai/v1",
        "api_key_env": "MOONSHOT_API_KEY",
        "max_tokens": 32768,  # it always thinks first, and its endpoint fixes the temperature
        "concurrency": 4,
    },
}
