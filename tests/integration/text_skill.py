"""A skill of text cases and a student behind a scripted endpoint: whole runs in which nothing has to be compiled."""

from __future__ import annotations

from pytest_upskill.replies import cassette
from tests.integration.conftest import Workbench
from tests.llama.scripted import Endpoint

KEY = "sk-never-to-be-seen-4711"
CASE = """\
---
expect: {contains: [answer]}
---
Say the word number NUMBER.
"""
TABLE = """\
[tool.upskill.students.pupil]
provider = "openai"
model = "served-model"
base_url = "URL"
api_key_env = "PUPIL_KEY"
"""


def text_skill(bench: Workbench, server: Endpoint, cases: int, *fields: str) -> None:
    """``skills/tiny`` with ``cases`` text cases, and the student ``pupil``; ``fields`` are lines of its table."""
    for name in ("scale", "shift"):
        (bench.skill / "evals" / f"{name}.md").unlink(missing_ok=True)
    for number in range(cases):
        bench.write(f"skills/tiny/evals/word-{number:03}.md", CASE.replace("NUMBER", str(number)))
    student(bench, server.url, *fields)


def student(bench: Workbench, url: str, *fields: str) -> None:
    bench.write("pyproject.toml", "\n".join([TABLE.replace("URL", url), *fields, ""]))
    bench.pytester._monkeypatch.setenv("PUPIL_KEY", KEY)


def asked(server: Endpoint) -> list[str]:
    """The user texts that came in, in order."""
    return [question["messages"][-1]["content"] for question in server.questions]


def cassette_of(bench: Workbench) -> cassette.Cassette:
    return cassette.Cassette(bench.skill / "cassettes" / "pupil.jsonl")
