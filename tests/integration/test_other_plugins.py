"""Runs beside other plugins of pytest: no internal error, and the same report as without them."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import Workbench, kernel
from tests.integration.text_skill import text_skill
from tests.llama.scripted import Stream, endpoint, reply
from tests.plugin_environment import python

Runner = Callable[..., str]
full = pytest.mark.full

PLUGINS = {
    "timeout": ("-p timeout --timeout=300", "timeout method: signal"),
    "timeout-by-thread": ("-p timeout --timeout=300 --timeout-method=thread", "use --timeout-method=signal"),
    "rerunfailures": (
        "-p rerunfailures --reruns=2",
        "upskill pytest-rerunfailures: repeats infrastructure errors only",
    ),
    "retry": ("-p pytest-retry --retries=2", "upskill pytest-retry: has no effect on skill items"),
    "randomly": ("-p randomly", "Using --randomly-seed="),
    "repeat": ("-p repeat --count=3", "upskill pytest-repeat: --count has no effect on skill items"),
    "sugar": ("-p sugar --force-sugar", "Results ("),
    "html": ("-p metadata -p html --html=out.html", "Generated html report"),
    "allure": ("-p allure_pytest --alluredir=allure", "plugins: upskill"),
    "cov": ("-p pytest_cov --cov=pytest_upskill --cov-report=xml", "Coverage XML written"),
    "anyio": ("-p anyio", "anyio-"),
}
"""By name: the options that load a plugin and make it work, and what shows that it did."""
TOGETHER = ("timeout", "rerunfailures", "randomly", "repeat", "sugar", "html", "allure", "anyio")


@pytest.fixture
def run(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs the interpreter that sees the other plugins; returns its output after checking it for crashes."""
    try:
        interpreter = python()
    except OSError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def started(*arguments: str, status: int = 1) -> str:
        command = [str(interpreter), "-m", "pytest", "-p", "upskill", "--upskill-examples=4", *arguments]
        done = subprocess.run(command, cwd=bench.root, capture_output=True, text=True, check=False, env=os.environ)
        said = done.stdout + done.stderr
        assert "INTERNALERROR" not in said, said
        assert done.returncode == status, said
        return said

    return started


def answers(bench: Workbench) -> list[str]:
    """Replies of which one is right, one wrong, and two wrong in an arm for comparison; the options of a run."""
    bench.right_with_the_skill()
    bench.answer("shift", "skill", kernel("shift", plus=" + 1.0f", limit="n - 1"))
    return ["skills", "--upskill-student=files:answers", "--upskill-seed=5", "--upskill-report=out.json"]


def verdicts(bench: Workbench) -> dict[str, Any]:
    items = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    assert len(items) == 5
    return {item["id"].partition("::")[2]: (item["verdict"], item["assertions"]) for item in items}


EXPECTED = {
    "spec": "passed",
    "scale[files-skill]": "passed",
    "scale[files-baseline]": "failed",
    "shift[files-skill]": "failed",
    "shift[files-baseline]": "failed",
}


def test_plugins_together_lose_no_item(bench: Workbench, run: Runner) -> None:
    options = " ".join(PLUGINS[name][0] for name in TOGETHER).split()
    said = run(*answers(bench), *options)
    assert {name: verdict for name, (verdict, _) in verdicts(bench).items()} == EXPECTED
    assert [name for name in TOGETHER if PLUGINS[name][1] not in said] == [], said
    assert "files-baseline" in (bench.root / "out.html").read_text(encoding="utf-8")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in (bench.root / "allure").glob("*-result.json")]
    assert {one["name"]: one["status"] for one in results}["shift[files-skill]"] == "failed"


@full
@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_changes_no_verdict(bench: Workbench, run: Runner, name: str) -> None:
    arguments = answers(bench)
    run(*arguments)
    alone = verdicts(bench)
    options, shows = PLUGINS[name]
    assert shows in run(*arguments, *options.split())
    assert verdicts(bench) == alone


@full
@pytest.mark.parametrize("name", ["timeout", "rerunfailures", "retry", "randomly", "html", "allure", "cov"])
def test_a_plugin_loses_no_item_with_two_workers(bench: Workbench, run: Runner, name: str) -> None:
    run(*answers(bench), "-p", "xdist", "-n2", *PLUGINS[name][0].split())
    assert {name: verdict for name, (verdict, _) in verdicts(bench).items()} == EXPECTED


CONFTEST = """
import time, pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if item.name.startswith(("shift", "word-001")):
            item.add_marker(pytest.mark.timeout(1))

def pytest_upskill_assertions(case, reply, kernel):
    if case.name == "shift" and reply.model != "golden":
        time.sleep(60)
    return []
"""
"""Items that take longer than their limit, wherever it interrupts them."""
STOPPED = EXPECTED | dict.fromkeys(("shift[files-skill]", "shift[files-baseline]"), "infrastructure-error")


def test_a_time_limit_of_another_plugin_is_an_error_of_the_item_and_no_failure_of_the_student(
    bench: Workbench, run: Runner
) -> None:
    over = threading.Event()

    def answer(question: dict[str, Any]) -> Stream:
        silent = "number 1." in question["messages"][-1]["content"]
        whole = reply("an answer")
        return Stream(whole.events, before=lambda: over.wait(60)) if silent else whole

    bench.write("conftest.py", CONFTEST)
    with endpoint(answer) as server:
        text_skill(bench, server, 2)
        asked = ("skills", "--upskill-student=pupil", "--upskill-arms=skill", "--upskill-report=out.json")
        said = run(*asked, "-p", "timeout", "-rE")
        over.set()
    items = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    assert [item["verdict"] for item in items] == ["passed", "passed", "infrastructure-error"]
    assert "stopped: Timeout (>1.0s) from pytest-timeout" in " ".join(said.split())
    assert "1 infrastructure error (not counted)" in said


@full
@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.2, 0.3, 0.5, 0.8, 1.3])
def test_a_time_limit_that_ends_items_anywhere_loses_none(bench: Workbench, run: Runner, seconds: float) -> None:
    arguments = answers(bench)
    run(*arguments, "-p", "timeout", f"--timeout={seconds}")
    assert len(verdicts(bench)) == 5


@full
def test_a_worker_that_a_time_limit_kills_leaves_an_error_in_the_report(bench: Workbench, run: Runner) -> None:
    bench.write("conftest.py", CONFTEST)
    run(*answers(bench), "-p", "xdist", "-n2", "-p", "timeout", "--timeout=300", "--timeout-method=thread")
    assert {name: verdict for name, (verdict, _) in verdicts(bench).items()} == STOPPED
