"""The whole road with a real llama.cpp server: wrong without the skill, right with it; the summary shows the lift."""

from __future__ import annotations

import json
import shlex

from tests.integration.conftest import Workbench, fenced, kernel
from tests.llama.fixture import LlamaServers, llama_server

__all__ = ["llama_server"]

MARKER = "SKILL-MARKER"


def answers(*, limit: str) -> str:
    """One text that holds a kernel for each case: the one that defines the function asked for is taken."""
    return fenced(kernel("scale", limit=limit)) + fenced(kernel("shift", limit=limit, plus=" + 1.0f"))


def test_a_model_behind_llama_cpp_is_wrong_without_the_skill_and_right_with_it(
    bench: Workbench, llama_server: LlamaServers
) -> None:
    base_url = llama_server(answers(limit="n - 1"), answers(limit="n"), MARKER)
    result = bench.run(
        "skills", "--upskill-student=glm-4.7", f"--upskill-base-url={base_url}", "--upskill-report=out.json", "-v"
    )
    assert result.ret == 0, result.stdout.str()
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*scale?glm-4.7-baseline? BASELINE FAILED*", "*glm-4.7*0/2*2/2*+100*"])
    report = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))
    assert [row["pass_rate"] for row in report["summary"]] == [1.0, 0.0]
    assert report["lift"][0]["lift"] == 1.0
    kernels = [item for item in report["items"] if item["kind"] == "kernel"]
    assert all(item["tokens"]["input"] > 100 and item["tokens"]["output"] > 10 for item in kernels)
    assert (bench.root / ".upskill/replies/glm-4.7/tiny/scale.baseline.md").is_file()


def test_a_model_that_reads_the_skill_by_itself_is_right(bench: Workbench, llama_server: LlamaServers) -> None:
    """Its first answer is a call; once it has read the file with the marker, it answers. The baseline cannot."""
    call = '<tool_call>\n{"name": "read_file", "arguments": {"path": "SKILL.md"}}\n</tool_call>'
    base_url = llama_server(call, answers(limit="n"), MARKER, template="calls")
    bench.write("pyproject.toml", "[tool.upskill.students.'glm-4.7']\ndisclosure = 'tools'\n")
    result = bench.run(
        "skills",
        "--upskill-student=glm-4.7",
        f"--upskill-base-url={base_url}",
        "-k",
        "scale",
        "--upskill-report=a.json",
    )
    assert result.ret == 0, result.stdout.str()
    result.stdout.fnmatch_lines(["*glm-4.7*0/1*1/1*+100*"])
    report = json.loads((bench.root / "a.json").read_text(encoding="utf-8"))
    tokens = {item["arm"]: item["tokens"] for item in report["items"] if item["kind"] == "kernel"}
    assert tokens["skill"]["input"] > 2 * tokens["baseline"]["input"], "both requests are counted"


def test_a_kept_reply_is_judged_again_without_the_server(bench: Workbench, llama_server: LlamaServers) -> None:
    base_url = llama_server(answers(limit="n"), answers(limit="n - 1"), MARKER)
    first = bench.run(
        "skills", "--upskill-student=glm-4.7", f"--upskill-base-url={base_url}", "-k", "scale and not baseline"
    )
    assert first.ret == 1
    llama_server.kill(base_url)
    command = "\n".join(first.stdout.lines).replace("\\\n", " ")
    command = command[command.index("pytest 'skills/tiny/SKILL.md::scale[glm-4.7-skill]'") :].splitlines()[0]
    again = bench.run(*shlex.split(command)[1:])
    assert again.ret == 1
    again.stdout.fnmatch_lines(["*1 failed*"])


def test_a_server_that_dies_is_an_error_and_never_the_students_failure(
    bench: Workbench, llama_server: LlamaServers
) -> None:
    base_url = llama_server(answers(limit="n"))
    llama_server.kill(base_url)
    result = bench.run("skills", "--upskill-student=glm-4.7", f"--upskill-base-url={base_url}")
    result.assert_outcomes(passed=1, errors=4)
    assert "FAILED" not in result.stdout.str()


def test_a_prompt_that_is_too_long_is_an_error_with_both_numbers(bench: Workbench, llama_server: LlamaServers) -> None:
    base_url = llama_server(answers(limit="n"), context=256, slots=1)
    result = bench.run(
        "skills", "--upskill-student=glm-4.7", f"--upskill-base-url={base_url}", "-k", "scale and not baseline"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*256*"])
