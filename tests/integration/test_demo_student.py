"""``--upskill-student=demo``: a real llama.cpp server, started by the run, with a model that was made for it."""

from __future__ import annotations

import json
import re

from tests.integration.conftest import BOTH, Workbench
from tests.llama.fixture import needs_llama

pytestmark = needs_llama

LABEL = "a scripted model: shows the machinery, not a model's ability"


@BOTH
def test_it_is_wrong_without_the_skill_and_right_with_it_and_everything_says_that_it_is_scripted(
    bench: Workbench, workers: list[str]
) -> None:
    reports = [f"--upskill-report=out{ending}" for ending in (".json", ".md", ".csv")]
    result = bench.run("skills", "--upskill-student=demo", *reports, *workers, own_process=True)
    assert result.ret == 0, result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            f"upskill demo: {LABEL}",
            "upskill serve: starting the server of demo: *embedded --model *",
            "upskill serve: demo answers at http://127.0.0.1:*",
            "*demo*0/2*2/2*+100*",
            f"note     demo: {LABEL}*",
        ]
    )
    shown = result.stdout.str()
    assert shown.count("starting the server") == 1, "one for all workers"
    report = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))
    kernels = [item for item in report["items"] if item["kind"] == "kernel"]
    assert all(item["notes"] == [f"demo: {LABEL}"] and item["tokens"]["input"] > 100 for item in kernels)
    assert report["lift"][0]["lift"] == 1.0
    assert LABEL in (bench.root / "out.md").read_text(encoding="utf-8").replace("\\", "")
    assert (bench.root / "out.csv").read_text(encoding="utf-8").count(LABEL) == len(kernels)
    log = (bench.root / ".upskill/serve/demo.log").read_text(encoding="utf-8", errors="replace")
    assert "serving demo at http://127.0.0.1:" in log
    port = re.search(r"demo answers at http://127.0.0.1:(\d+)", shown)
    assert port is not None and not _listens(int(port[1])), "the server ended with the run"


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_who_was_told_what_is_wrong_does_it_right(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill-student=demo", "--upskill-turns=2", "-k", "scale")
    assert result.ret == 0, result.stdout.str()
    result.stdout.fnmatch_lines(["*passed by turn: with skill 100%; baseline 0%, 100%*"])


def test_a_reply_that_was_kept_is_not_used_once_the_case_has_another_solution(bench: Workbench) -> None:
    first = bench.run("skills", "--upskill-student=demo", "-k", "scale and not baseline")
    assert first.ret == 0, first.stdout.str()
    case = bench.skill / "evals/scale.md"
    before = case.read_text(encoding="utf-8")
    after = before.replace("* factor);", "* factor * 2.0f);").replace("x * factor\n", "x * factor * 2\n")
    assert len(after) == len(before) + len(" * 2.0f") + len(" * 2")
    case.write_text(after, encoding="utf-8")
    second = bench.run("skills", "--upskill-student=demo", "-k", "scale and not baseline")
    second.assert_outcomes(passed=1)


def test_it_takes_no_table(bench: Workbench) -> None:
    bench.write("pyproject.toml", "[tool.upskill.students.demo]\nprovider = 'openai'\nmodel = 'x'\n")
    result = bench.run("skills", "--upskill-student=demo")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*students.demo*built in and takes no fields*"])
