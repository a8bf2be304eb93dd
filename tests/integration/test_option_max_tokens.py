"""``--upskill-max-tokens``: a limit that needs no price."""

from __future__ import annotations

import re

import pytest

from tests.integration.conftest import BOTH, Workbench
from tests.integration.text_skill import text_skill
from tests.llama.scripted import endpoint, reply

ASK = ("skills", "--upskill-student=pupil", "-k", "word", "--upskill-arms=skill")
TAKEN = 18
"""Tokens that the scripted endpoint counts for each reply."""


@BOTH
def test_no_question_is_asked_that_might_pass_the_limit(bench: Workbench, workers: list[str]) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 4)
        none = bench.run(*ASK, "--upskill-max-tokens=1", "-rs")
        none.assert_outcomes(skipped=4)
        assert not server.questions
        worst = re.search(r"and the next reply may take (\d+); raise it", " ".join(none.stdout.str().split()))
        assert worst
        limit = int(worst[1]) + TAKEN + 1
        some = bench.run(*ASK, f"--upskill-max-tokens={limit}", *workers)
        some.assert_outcomes(passed=2, skipped=2)
        some.stdout.fnmatch_lines([f"spent*36 of {limit:,} tokens on 2 new replies*"])
        assert len(server.questions) == 2
        bench.run(*ASK, *workers).assert_outcomes(passed=4)
        assert len(server.questions) == 4


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_number_that_is_none_is_refused(bench: Workbench, text: str) -> None:
    result = bench.run("skills", "--upskill", f"--upskill-max-tokens={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "is not a whole number of at least 1" in result.stderr.str()
