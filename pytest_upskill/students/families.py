"""Finds out which family a model belongs to. Models of one family often share mistakes, and so overlook each
other's.
"""

from __future__ import annotations

import re

_FAMILIES = {
    "claude": "Claude", "gpt": "GPT", "codex": "GPT", "gemini": "Gemini", "gemma": "Gemini", "llama": "Llama",
    "glm": "GLM", "kimi": "Kimi", "qwen": "Qwen", "qwq": "Qwen", "deepseek": "DeepSeek", "mistral": "Mistral",
    "mixtral": "Mistral", "codestral": "Mistral", "devstral": "Mistral", "magistral": "Mistral", "grok": "Grok",
    "phi": "Phi", "minimax": "MiniMax", "command": "Command", "granite": "Granite", "nemotron": "Nemotron",
}  # fmt: skip
"""The family, by a part of a model's name. Makers' names are left out, because makers also publish others' models."""


def family_of(model: str) -> str:
    """Return the family of a model by its name; empty if the name does not tell."""
    name = model.lower()
    if re.search(r"(?:\A|/)(?:o[1-9]|chatgpt)\b", name):
        return "GPT"
    found = [(match.start(), family) for part, family in _FAMILIES.items()
             if (match := re.search(rf"(?<![a-z]){part}|{part}(?=[-.\d]|\Z)", name))]  # fmt: skip
    return min(found)[1] if found else ""


def shared(one: str, other: str) -> str:
    """Return the family that two models share, or the model's name if they are the same; empty if they share no known
    family.
    """
    family = family_of(one)
    return family if family and family_of(other) == family else one if one == other else ""


def warning(teacher: str, student: str) -> str | None:
    """Return a warning if the teacher's and the student's models are of one family, else None."""
    family = family_of(student)
    if not family or not shared(teacher, student):
        return None
    return (
        f"teacher ({teacher}) and student ({student}) are both of the family {family}: they may share mistakes, and a "
        "text that helps one another may not help other models; measure the result with a student of another family"
    )
