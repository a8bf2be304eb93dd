"""The judge's end of an untrusted reference's stream, against processes that answer whatever they like.

They are small scripts in the same sandbox, which need no torch, and have the last word on every byte.
"""

from __future__ import annotations

import dataclasses
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import CaseError, SandboxError
from pytest_upskill.oracle import reference_process
from pytest_upskill.oracle.reference_process import ReferenceLimits, ReferenceProcess
from pytest_upskill.oracle.sandboxed_reference import SandboxedReference
from pytest_upskill.sandbox import confinement as confine
from pytest_upskill.sandbox.confinement import Confinement
from tests.unit.oracle_kernels import make_case
from tests.unit.test_oracle_reference_answers import FRONT, OP, REFERENCE
from tests.unit.test_sandbox_process import ends

LIMITS = ReferenceLimits(start_seconds=20.0, seconds=1.0, output_bytes=10_000, answer_bytes=100_000)

BEGINNING = """
import json, os, socket, sys, time
channel = socket.socket(fileno=int(sys.argv[1]))
def receive(count):
    data = b""
    while len(data) < count:
        part = channel.recv(count - len(data))
        if not part:
            sys.exit()
        data += part
    return data
def request():
    global nonce
    asked = json.loads(receive(int.from_bytes(receive(4), "little")))
    nonce = bytes.fromhex(asked["nonce"])
    return asked
def frame(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return nonce + len(text).to_bytes(4, "little") + text + body
channel.sendall(b"ready for cases.")
request()
channel.sendall(frame({"tensors": []}))
"""
"""What an honest process does until it has its case."""

LINEAR = 'request(); channel.sendall(frame({"linear": True, "tensors": []}))\n'


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path, OP, FRONT, REFERENCE)


class Fakes:
    def __init__(self, case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.case, self.program = case, folder / "worker.py"
        self.runners: list[SandboxedReference] = []
        monkeypatch.setattr(reference_process, "WORKER", self.program)

    def __call__(
        self, script: str, *, beginning: str = BEGINNING, level: Confinement | None = None
    ) -> SandboxedReference:
        self.program.write_text(beginning + textwrap.dedent(script))
        self.runners.append(SandboxedReference(self.case, ReferenceProcess(level or confine.strongest(), LIMITS)))
        return self.runners[-1]


@pytest.fixture
def fake(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    if not reference_process.hides_enough(confine.strongest()):
        pytest.skip(f"untrusted references are refused here: {confine.strongest().reason}")
    fakes = Fakes(case, tmp_path, monkeypatch)
    yield fakes
    for runner in fakes.runners:
        runner.close()


def fault(runner: SandboxedReference, where: str = "float32") -> str:
    with pytest.raises(CaseError) as caught:
        runner.linear(where)
    assert caught.value.path == runner.case.path
    assert caught.value.message.startswith("case 'f': the reference ")
    with pytest.raises(CaseError) as again:  # and at once, from then on
        runner.outputs  # noqa: B018
    assert again.value is caught.value
    return caught.value.message


def test_honest_answer_is_taken(fake: Fakes) -> None:
    runner = fake(LINEAR)
    assert runner.linear("float32") is True
    assert runner.linear("float32") is True  # asked once


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("request(); channel.sendall(frame(b'{'))", "its header is not JSON"),
        ("request(); channel.sendall(frame(b'[' * 60000))", "its header is not JSON (RecursionError)"),
        ("request(); channel.sendall(frame({}))", "it lists no tensors"),
        ("request(); channel.sendall(frame({'tensors': [], 'linear': 1}))", "whether the reference is linear"),
        ("request(); channel.sendall(nonce + b'\\xff' * 4)", "its header has 4294967295 bytes, more than"),
        (
            "request(); channel.sendall(frame({'tensors': [['uint8', [1 << 39]]]}))",
            "its tensors have 549755813888 bytes, more than the limit of 100000",
        ),
        ("request(); channel.sendall(frame({'tensors': [['object', [1]]]}))", "no tensors with a dtype"),
        ("request(); nonce = b'0' * 16; channel.sendall(frame({'linear': True, 'tensors': []}))", "does not belong"),
    ],
)
def test_nonsense_is_the_cases_fault(fake: Fakes, script: str, what: str) -> None:
    told = fault(fake(script))
    assert what in told
    assert "a reference may compute and return tensors" in told


def test_answer_that_comes_before_its_question_is_not_taken(fake: Fakes) -> None:
    early = "channel.sendall(frame({'linear': True, 'tensors': []})); time.sleep(9)"
    runner = fake(LINEAR + early)
    assert runner.linear("float32")
    time.sleep(0.2)
    with pytest.raises(CaseError, match=r"it came before its request|does not belong to the request"):
        runner.outputs  # noqa: B018


def test_second_answer_to_one_question_is_not_taken_for_the_next(fake: Fakes) -> None:
    runner = fake(
        """
        request()
        answer = frame({"linear": True, "elements": 4, "powers": {"n": 1}, "tensors": []})
        channel.sendall(answer)
        request()
        channel.sendall(answer)
        """
    )
    assert runner.linear("float32")
    with pytest.raises(CaseError, match="does not belong to the request"):
        runner.outputs  # noqa: B018


@pytest.mark.parametrize(
    "script",
    [
        "request()\nwhile True: pass",
        "request(); channel.sendall(nonce); time.sleep(60)",
        "request(); channel.sendall(frame({'tensors': [['uint8', [100]]]}, b'only some')); time.sleep(60)",
        "request()\nfor byte in frame({'tensors': []}): time.sleep(0.1); channel.sendall(bytes([byte]))",
        "time.sleep(60)",
    ],
    ids=["loops", "half an answer", "half a tensor", "a byte at a time", "never reads"],
)
def test_slow_process_is_given_up_and_ended(fake: Fakes, script: str) -> None:
    runner = fake(script)
    assert runner._process._ready() is not None
    before = time.monotonic()
    told = fault(runner)
    assert time.monotonic() - before < 10
    assert "did not finish within 1 s (on whole numbers); make it faster, or allow smaller sizes in 'dims'" in told
    assert runner._process._process is None


def test_process_that_prints_without_end_is_given_up(fake: Fakes) -> None:
    told = fault(fake("request()\nwhile True: print('x' * 1000, flush=True)"))
    assert "printed more than the limit of 10000 bytes (on whole numbers); remove its output" in told


def test_a_little_output_does_no_harm(fake: Fakes) -> None:
    assert fake("print('x' * 5000, flush=True)\n" + LINEAR).linear("float32")


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("request(); os._exit(0)", "exit status 0"),
        ("request(); os._exit(3)", "exit status 3"),
        ("request(); channel.sendall(frame({'linear': True})[:20]); os._exit(0)", "exit status 0"),
        ("request(); os.abort()", "signal 6"),
    ],
)
def test_process_that_ends_is_started_again_once(fake: Fakes, script: str, how: str) -> None:
    told = fault(fake(script))
    assert f"ended its process twice, with {how} (on whole numbers)" in told
    assert "remove what exits or crashes" in told


def test_processor_time_has_a_limit(fake: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_process, "Resources", lambda *given: confine.Resources(1, *given[1:]))
    runner = fake("request()\nwhile True: pass")
    runner._process.limits = dataclasses.replace(LIMITS, seconds=20.0)
    assert "signal 24: out of processor time" in fault(runner) or "signal 9" in fault(runner)


def test_process_that_ended_by_accident_is_forgiven(fake: Fakes) -> None:
    runner = fake("request(); os._exit(1)")
    runner._process._ready()
    fake.program.write_text(BEGINNING + LINEAR)
    assert runner.linear("float32")


def test_process_that_hangs_up_and_goes_on_is_ended(fake: Fakes) -> None:
    told = fault(fake("request(); channel.close(); time.sleep(60)"))
    assert "closed its stream and continued to run" in told or "did not finish" in told


@pytest.mark.parametrize("beginning", ["import sys; sys.exit('no torch here')", "print('hello')", "import nothing"])
def test_process_that_does_not_start_says_nothing_about_the_case(fake: Fakes, beginning: str) -> None:
    runner = fake("", beginning=beginning)
    with pytest.raises(SandboxError, match=r"the process for untrusted references did not start: .*exit status"):
        runner.linear("float32")


def test_closing_ends_the_process_and_may_be_done_twice(fake: Fakes) -> None:
    runner = fake(LINEAR + "time.sleep(60)")
    assert runner.linear("float32")
    assert runner._process._process is not None
    number = runner._process._process._process.pid
    runner.close()
    runner.close()
    assert ends(number)


@pytest.mark.parametrize(
    "level", [Confinement("process"), Confinement("kernel", parts=("namespaces", "filter")), Confinement("kernel")]
)
def test_nothing_untrusted_runs_where_files_are_in_sight(fake: Fakes, level: Confinement) -> None:
    with pytest.raises(SandboxError) as caught:
        fake(LINEAR, level=level)
    assert "the case is not trusted" in str(caught.value)
    assert "install bubblewrap" in str(caught.value)
