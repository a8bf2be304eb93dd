"""Models for tests that answer with one of two texts, written by the same code as the demo student's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.students.demo import model

THINKING_TEMPLATE = (
    "{%- for message in messages -%}<|{{ message.role }}|>"
    "{%- if message.role == 'assistant' and message.reasoning_content -%}"
    "<think>{{ message.reasoning_content }}</think>{%- endif -%}"
    "{{ message.content }}{%- endfor -%}{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
"""That of a model that thinks aloud between tags: the server sets its thoughts apart."""
CALLING_TEMPLATE = (
    "{%- for tool in tools or [] -%}<tool>{{ tool | tojson }}</tool>{%- endfor -%}"
    "{%- for message in messages -%}<|{{ message.role }}|>{{ message.content }}"
    "{%- for call in message.tool_calls or [] -%}"
    '<tool_call>\n{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}\n'
    "</tool_call>{%- endfor -%}{%- endfor -%}{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
"""That of a model that calls tools: the server reads the calls out of what it says."""
TEMPLATES = {"plain": model.CHAT_TEMPLATE, "thinks": THINKING_TEMPLATE, "calls": CALLING_TEMPLATE}


@dataclass(frozen=True)
class Script:
    """The answers of a tiny model: ``answer``, or ``answer_with_marker`` if the prompt contains ``marker``."""

    answer: str
    answer_with_marker: str = ""
    marker: str = ""
    template: str = "plain"


def write_model(path: Path, script: Script, context: int = 32768) -> Path:
    """Write the model (a few MB) and return its path. ``context`` is the longest prompt and answer, in tokens."""
    either = model.Topic("", script.answer, script.answer_with_marker if script.marker else "")
    telling = (script.marker,) if script.marker else ()
    return model.write_model(path, model.Script((either,), telling, chat_template=TEMPLATES[script.template]), context)
