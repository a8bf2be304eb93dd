"""The stored form of a reply: its key, and what is accepted when a line is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest

from pytest_upskill.records import Exchange, Prompt
from pytest_upskill.replies.cassette import key_of
from tests.unit.scripted_students import CONFIG, question

PROMPTS = {
    "plain": Prompt("be brief", "say one"),
    "earlier": Prompt(
        "be brief",
        "say one",
        (Exchange("no", "try again"), Exchange("yés", "", ("SKILL.md", "references/a.md"))),
    ),
    "files": Prompt("", "say \u2028 one", files={"SKILL.md": "the skill", "references/a.md": "\ud800"}),
}
THINKING = {"enable_thinking": False}
CONFIGS = {
    "plain": CONFIG,
    "temperature": replace(CONFIG, temperature=0.7),
    "options": replace(CONFIG, options={"top_p": 1.0, "at": time(7, 32), "chat_template_kwargs": THINKING}),
}


@pytest.mark.parametrize(
    ("prompt", "digest"),
    [
        ("plain", "2e9d021e0b7def8f2aae4eebd206dc9d03c49281d83817d3794361961511e754"),
        ("earlier", "9c6870e4d746b33daa48175383be40fb782bf17af050dc4e525278c180dd1c6e"),
        ("files", "e83d995b4fe1f780ec3c008cfeb918ab9d21e8683c3cfb3317478163bd33d667"),
    ],
)
def test_the_digest_of_a_prompt_is_the_same_in_every_version(prompt: str, digest: str) -> None:
    assert PROMPTS[prompt].digest == digest


@pytest.mark.parametrize(
    ("config", "prompt", "key"),
    [
        ("plain", "plain", "0450d99d46134de2765b4488856de54734b30034"),
        ("plain", "earlier", "7af263b2928359a13119bb2442343fc14b50cf06"),
        ("plain", "files", "c413ad970a3c711d4b7b1ae4cc57ee3f7976edb1"),
        ("temperature", "plain", "61d4173ddb65390c05d0a83332e48cf103e05f5e"),
        ("temperature", "earlier", "99081aa4f5a5b25eeb6f7fd72cd301375b162692"),
        ("options", "plain", "464c9762deef58d563f2f73f8a623eb3b049e4e2"),
        ("options", "files", "67d819e74c535af80aad4e9dffbb972ab51f8292"),
    ],
)
def test_the_key_of_a_reply_is_the_same_in_every_version(config: str, prompt: str, key: str) -> None:
    """With another key, replies that people recorded would no longer be found."""
    assert key_of(CONFIGS[config], replace(question(trial=2), prompt=PROMPTS[prompt])) == key
