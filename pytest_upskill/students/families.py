"""Which family a model is of: models of one family often share mistakes, so that one does not see those of another."""

from __future__ import annotations

import re

_FAMILIES = {
    "claude": "Claude", "gpt": "GPT", "codex": "GPT", "gemini": "Gemini", "gemma": "Gemini", "llama": "Llama",
    "glm": "GLM", "kimi": "Kimi", "qwen": "Qwen", "qwq": "Qwen", "deepseek": "DeepSeek", "mistral": "Mistral",
    "mixtral": "Mistral", "codestral": "Mistral", "devstral": "Mistral", "magistral": "Mistral", "grok": "Grok",
    "phi": "Phi", "minimax": "MiniMax", "command": "Command", "granite": "Granite", "nemotron": "Nemotron",
}  # fmt: skip
"""By a part of a model's name; the makers' names do not count, since they publish each other's models."""


def family_of(model: str) -> str:
    """The family of a model, by its name; empty if the name does not say."""
    name = model.lower()
    if re.search(r"(?:\A|/)(?:o[1-9]|chatgpt)\b", name):
        return "GPT"
    found = [(match.start(), family) for part, family in _FAMILIES.items()
             if (match := re.search(rf"(?<![a-z]){part}|{part}(?=[-.\d]|\Z)", name))]  # fmt: skip
    return min(found)[1] if found else ""


def shared(one: str, other: str) -> str:
    """The family that two models share, or the model if they are the same; empty if they share none that is known."""
    family = family_of(one)
    return family if family and family_of(other) == family else one if one == other else ""


def warning(teacher: str, student: str) -> str | None:
    """A warning if teacher and student, given by their models, are of one family."""
    family = family_of(student)
    if not family or not shared(teacher, student):
        return None
    return (
        f"teacher ({teacher}) and student ({student}) are both of the family {family}: they may share mistakes, and a "
        "text that helps one another may not help other models; measure the result with a student of another family"
    )
