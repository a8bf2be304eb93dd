"""``--upskill-serve`` and ``serve``: the run starts a student's server, and nobody has to clean up after it."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import BOTH, Workbench, fenced, kernel
from tests.llama.fixture import needs_llama

pytestmark = needs_llama

MARKER = "SKILL-MARKER"
SERVE = (
    f"{sys.executable} -m pytest_upskill.students.serving.embedded --model {{model}} --alias tiny --port {{{{port}}}} "
    "--context 65536 --slots 4"
)


@pytest.fixture
def served(bench: Workbench) -> Workbench:
    """A student ``local`` whose table names the command that starts its server."""
    from tests.llama.tiny_gguf import Script, write_model

    answers = [
        fenced(kernel("scale", limit=limit)) + fenced(kernel("shift", limit=limit, plus=" + 1.0f"))
        for limit in ("n - 1", "n")
    ]
    model = write_model(bench.root / "tiny.gguf", Script(*answers, MARKER), 16384)
    bench.write(
        "pyproject.toml",
        "[tool.upskill.students.local]\nprovider = 'llama.cpp'\nmodel = 'tiny'\nmax_tokens = 500\ntimeout = 60\n"
        f'serve = "{SERVE.format(model=model)}"\n',
    )
    return bench


@BOTH
def test_a_server_is_started_once_and_ended_with_the_run_and_not_started_for_replies_that_are_there(
    served: Workbench, workers: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    result = served.run("skills", "--upskill-student=local", *workers)
    assert result.ret == 0, result.stdout.str()
    result.stdout.fnmatch_lines(["*local*0/2*2/2*+100*"])
    assert capfd.readouterr().out.count("starting the server of local") == 1
    assert not _alive(served)
    again = served.run("skills", "--upskill-student=local", *workers)
    assert again.ret == 0
    assert "starting the server" not in capfd.readouterr().out


def test_a_server_that_is_killed_in_mid_run_is_started_again(served: Workbench) -> None:
    served.write("conftest.py", KILLER.replace("EVERY", "1"))
    result = served.run("skills", "--upskill-student=local", "--upskill-report=out.json", own_process=True)
    assert result.ret == 0, result.stdout.str()
    result.stdout.fnmatch_lines(
        ["*the server of local ended (signal 9); starting it again", "*local*0/2*2/2*+100*"], consecutive=False
    )


@pytest.mark.full
def test_a_server_that_dies_again_is_an_error_that_names_its_log(served: Workbench) -> None:
    served.write("conftest.py", KILLER.replace("EVERY", "99"))
    result = served.run("skills", "--upskill-student=local", own_process=True)
    assert result.ret == 1
    outcomes = result.parseoutcomes()
    assert outcomes["errors"] >= 1 and "failed" not in outcomes  # replies that were complete are kept
    log = served.root / ".upskill/serve/local.log"
    assert re.search(
        rf"ended again \(signal 9\) and is not started a third time.*its log is {log}", " ".join(result.stdout.lines)
    )


KILLER = """
import os, re, signal
from pathlib import Path
from pytest_upskill.students.openai import OpenAIStudent

ask, left = OpenAIStudent._attempt, [EVERY]

def victims():
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\\0")
        except OSError:
            continue
        if b"pytest_upskill.students.serving.embedded" in words and str(Path.cwd()).encode() in b" ".join(words):
            if b"-I" not in words:  # the supervisor's own arguments hold the command, too
                yield int(process.name)

def attempt(self, question, rounds):
    if self._closed.is_set() or not left or question.skill != "tiny":
        return ask(self, question, rounds)
    if question.case == "shift" and left[0] > 0:
        left[0] -= 1
        for pid in victims():
            os.kill(pid, signal.SIGKILL)
        self._server._process.wait(30)
    return ask(self, question, rounds)

OpenAIStudent._attempt = attempt
"""
"""Kills the server before a question about ``shift`` is sent, so many times."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_a_run_that_is_ended_leaves_no_server(served: Workbench, number: int) -> None:
    """The run is ended when its server answers: the end of the process then is the end of the server."""
    command = [sys.executable, "-m", "pytest", "skills", "--upskill-student=local", "-p", "no:cacheprovider"]
    process = subprocess.Popen(command, cwd=served.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    for line in process.stdout:
        if b"local answers at" in line:
            break
    servers = _alive(served)
    assert servers
    process.send_signal(number)
    process.stdout.read()
    process.wait(60)
    process.stdout.close()
    for pid in servers:
        _wait_for_end(pid)


def _alive(served: Workbench) -> list[int]:
    """The servers (and supervisors) of this test that run."""
    surviving = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"serving" in words and str(served.root / "tiny.gguf").encode() in words:
            surviving.append(int(process.name))
    return surviving


def _wait_for_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([descriptor], [], [], 60)[0], f"process {pid} was left behind"
    os.close(descriptor)


def test_a_server_that_cannot_start_is_an_error_that_names_its_log(bench: Workbench) -> None:
    bench.write(
        "pyproject.toml",
        "[tool.upskill.students.local]\nprovider = 'llama.cpp'\nmodel = 'tiny'\nserve = 'false'\n"
        "base_url = 'http://127.0.0.1:9/v1'\n",
    )
    result = bench.run("skills", "--upskill-student=local")
    result.assert_outcomes(passed=1, errors=4)
    said = " ".join(result.stdout.lines)
    assert "its server ended before it could answer (exit status 1)" in said
    assert f"its log is {bench.root / '.upskill/serve/local.log'}" in said


def test_without_a_wish_nothing_is_started_and_the_way_is_told(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill-student=glm-4.7", "--upskill-base-url=http://127.0.0.1:9/v1", "-x")
    assert "starting the server" not in result.stdout.str()
    assert "--upskill-serve" in result.stdout.str()
