"""What a reply cost: the tokens in the shapes in which servers count them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_upskill.records import Tokens
from pytest_upskill.students.usage import positive, tokens_of, tokens_of_timings


def details(**fields: int) -> dict[str, Any]:
    return {"completion_tokens_details": fields}


USAGES: dict[str, tuple[dict[str, Any], Tokens]] = {
    "OpenAI": (
        {
            "prompt_tokens": 100, "completion_tokens": 70, "total_tokens": 170,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
            **details(reasoning_tokens=50, audio_tokens=0),
        },
        Tokens(100, 70, 64),
    ),
    "OpenAI, as the Responses API": (
        {
            "input_tokens": 100, "output_tokens": 70, "total_tokens": 170, "input_tokens_details": {"cached_tokens": 9},
            "output_tokens_details": {"reasoning_tokens": 60},
        },
        Tokens(100, 70, 9),
    ),
    "llama.cpp, vLLM": (
        {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
            "prompt_tokens_details": {"cached_tokens": 4}},
        Tokens(11, 7, 4),
    ),
    "SGLang without a report of its cache": (
        {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "prompt_tokens_details": None},
        Tokens(11, 7),
    ),
    "DeepSeek": (
        {
            "prompt_tokens": 100, "completion_tokens": 90, "total_tokens": 190, "prompt_cache_hit_tokens": 80,
            "prompt_cache_miss_tokens": 20, **details(reasoning_tokens=70),
        },
        Tokens(100, 90, 80),
    ),
    "Moonshot": (
        {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55, "cached_tokens": 32},
        Tokens(50, 5, 32),
    ),
    "xAI: reasoning beside the completion": (
        {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 141, **details(reasoning_tokens=100)},
        Tokens(32, 109),
    ),
    "xAI: reasoning shorter than the completion": (
        {"prompt_tokens": 32, "completion_tokens": 90, "total_tokens": 152, **details(reasoning_tokens=30)},
        Tokens(32, 120),
    ),
    "Gemini: reasoning in the total only": (
        {"prompt_tokens": 20, "completion_tokens": 424, "total_tokens": 1016},
        Tokens(20, 996),
    ),
    "a proxy of Gemini: no visible completion": (
        {"prompt_tokens": 21, "completion_tokens": 0, "total_tokens": 81, **details(reasoning_tokens=60)},
        Tokens(21, 60),
    ),
    "Gemini's own": (
        {
            "promptTokenCount": 20, "candidatesTokenCount": 198, "thoughtsTokenCount": 405, "totalTokenCount": 623,
            "cachedContentTokenCount": 16,
        },
        Tokens(20, 603, 16),
    ),
    "reasoning in the details only": (
        {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30, **details(reasoning_tokens=300)},
        Tokens(10, 320),
    ),
    "reasoning in the details only, without a total": (
        {"prompt_tokens": 10, "completion_tokens": 20, "reasoning_tokens": 300},
        Tokens(10, 320),
    ),
    "Anthropic": (
        {"input_tokens": 3, "output_tokens": 9, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2},
        Tokens(10, 9, 5, 2),
    ),
    "LiteLLM, which passes on both": (
        {
            "prompt_tokens": 10, "completion_tokens": 9, "total_tokens": 19, "cache_read_input_tokens": 5,
            "cache_creation_input_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5},
        },
        Tokens(10, 9, 5, 2),
    ),
    "OpenRouter": (
        {
            "prompt_tokens": 40, "completion_tokens": 6, "total_tokens": 46, "cost": 0.00014,
            "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 10},
            "cost_details": {"upstream_inference_cost": None}, **details(reasoning_tokens=0),
        },
        Tokens(40, 6, 30, 10),
    ),
    "a cache that the prompt does not include": (
        {"prompt_tokens": 8, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 500}},
        Tokens(508, 2, 500),
    ),
    "Ollama's own": ({"prompt_eval_count": 26, "eval_count": 298}, Tokens(26, 298)),
    "names in camel case": (
        {"promptTokens": 10, "completionTokens": 20, "totalTokens": 130, "promptTokensDetails": {"cachedTokens": 4},
            "completionTokensDetails": {"reasoningTokens": 100}},
        Tokens(10, 120, 4),
    ),
    "Bedrock": (
        {"inputTokens": 10, "outputTokens": 5, "totalTokens": 45, "cacheReadInputTokens": 20,
            "cacheWriteInputTokens": 10},
        Tokens(40, 5, 20, 10),
    ),
    "Qwen with a cache": (
        {"prompt_tokens": 1605, "completion_tokens": 40, "total_tokens": 1645, "prompt_tokens_details": {
            "cache_creation_input_tokens": 1600, "cache_creation": {"ephemeral_5m_input_tokens": 1600},
            "cached_tokens": 0}},
        Tokens(1605, 40, 0, 1600),
    ),
    "Mistral": (
        {"prompt_tokens": 15, "completion_tokens": 20, "total_tokens": 35, "num_cached_tokens": 8}, Tokens(15, 20, 8),
    ),
    "Perplexity": (
        {"prompt_tokens": 14, "completion_tokens": 70, "total_tokens": 84, "citation_tokens": 5028,
            "reasoning_tokens": 44345},
        Tokens(14, 44415),
    ),
    "Cohere's own": (
        {"billed_units": {"input_tokens": 17, "output_tokens": 12}, "tokens": {"input_tokens": 83, "output_tokens": 12},
            "cached_tokens": 64},
        Tokens(83, 12, 64),
    ),
    "LM Studio's own": (
        {"input_tokens": 419, "total_output_tokens": 362, "reasoning_output_tokens": 195}, Tokens(419, 362),
    ),
    "OpenRouter's own": (
        {"native_tokens_prompt": 10, "native_tokens_completion": 25, "native_tokens_reasoning": 5,
            "native_tokens_cached": 2, "tokens_prompt": 9, "tokens_completion": 20},
        Tokens(10, 25, 2),
    ),
    "watsonx": ({"input_token_count": 10, "generated_token_count": 20}, Tokens(10, 20)),
    "only a total": ({"total_tokens": 12}, Tokens(12)),
    "only an output and a total": ({"completion_tokens": 5, "total_tokens": 25}, Tokens(20, 5)),
    "whole numbers as floats": ({"prompt_tokens": 11.0, "completion_tokens": 7.0}, Tokens(11, 7)),
    "no counts": ({"prompt_tokens": "many", "completion_tokens": -3, "total_tokens": True, "cost": 5}, Tokens()),
    "nothing": ({}, Tokens()),
}  # fmt: skip


@pytest.mark.parametrize("vendor", USAGES)
def test_tokens_are_counted_whatever_the_shape(vendor: str) -> None:
    usage, tokens = USAGES[vendor]
    assert tokens_of(usage) == tokens


def test_a_llama_server_counts_in_its_timings_too() -> None:
    assert tokens_of_timings({"prompt_n": 5, "cache_n": 40, "predicted_n": 12, "predicted_ms": 1.5}) == Tokens(
        45, 12, 40
    )


@pytest.mark.parametrize("value", [2**60, float("inf"), float("nan"), 1.5, 0, -1, True, None, "7", [7]])
def test_what_is_no_count_is_not_taken_for_one(value: object) -> None:
    assert positive(value) is None
