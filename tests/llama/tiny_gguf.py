"""Models for tests, written by the code that writes the demo student's: they say one of two texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.students.demo import model


@dataclass(frozen=True)
class Script:
    """What a made model says: ``answer``, or ``answer_with_marker`` where ``marker`` is anywhere in the prompt."""

    answer: str
    answer_with_marker: str = ""
    marker: str = ""


def write_model(path: Path, script: Script, context: int = 32768) -> Path:
    """Writes the model (a few MB) and returns its path. ``context`` is the longest prompt and answer, in tokens."""
    either = model.Topic("", script.answer, script.answer_with_marker if script.marker else "")
    return model.write_model(path, model.Script((either,), (script.marker,) if script.marker else ()), context)
