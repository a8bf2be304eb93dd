"""Overhead of queries beside the server: idle slots, replaying, opening. Run: python benchmarks/replies.py [--quick]

The server is scripted: it answers each request after a fixed time, so the ideal duration of a run is known.
``--quick`` measures few items once, to try the benchmark.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pytest_upskill.cases.case_file import load_case
from pytest_upskill.execution.prompt_rendering import PromptRenderer
from pytest_upskill.execution.task import Task
from pytest_upskill.records import ItemKind, Prompt, Question, Reply, Tokens
from pytest_upskill.replies import cassette
from pytest_upskill.replies.cassette import Cassette
from pytest_upskill.replies.stored_reply import Recording, key_of
from pytest_upskill.students.base import StudentConfig

QUICK = "--quick" in sys.argv
ITEMS, SLOTS, LATENCY = (4, 4, 0.1) if QUICK else (48, 4, 2.0)
REPLAYED = 4 if QUICK else 1000
ENTRIES = 10 if QUICK else 10_000
ROUNDS = 1 if QUICK else 3
MOMENTS: list[float] = []
"""When questions came in, and when their replies were ready."""
CASE = "---\nexpect: {contains: [answer]}\n---\nSay the word number NUMBER.\n"
SKILL = "---\nname: many\ndescription: A skill with many cases. Use for measuring.\n---\nBody.\n"
TABLE = """[tool.upskill.students.pupil]
provider = "openai"
model = "m"
base_url = "URL"
concurrency = 4
"""


class Handler(BaseHTTPRequestHandler):
    """Answer a request with one stream, ``LATENCY`` s after it arrived."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send("application/json", json.dumps({"data": [{"id": "m"}]}))

    def do_POST(self) -> None:
        MOMENTS.append(time.perf_counter())
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(LATENCY)
        MOMENTS.append(time.perf_counter())
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        choice = {"index": 0, "delta": {"content": "an answer"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
        events = [{**head, "choices": [choice]}, {**head, "choices": [], "usage": usage}]
        lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        self._send("text/event-stream", f"{lines}data: [DONE]\n\n")

    def _send(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


def made_skill(folder: Path, cases: int, url: str) -> None:
    evals = folder / "skills" / "many" / "evals"
    evals.mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "pyproject.toml").write_text(TABLE.replace("URL", url))
    (evals.parent / "SKILL.md").write_text(SKILL)
    for number in range(cases):
        (evals / f"word-{number:04}.md").write_text(CASE.replace("NUMBER", str(number)))


def run(folder: Path, *arguments: str) -> float:
    """Seconds of a whole pytest process."""
    command = [sys.executable, "-m", "pytest", "skills", "-q", "-p", "no:cacheprovider", "--upskill-student=pupil"]
    started = time.perf_counter()
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return seconds


def busy_slots() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ideal = ITEMS / SLOTS * LATENCY
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made_skill(folder, ITEMS // 2, f"http://127.0.0.1:{server.server_port}/v1")
        for label, workers in (("alone", ()), ("-n 2", ("-n", "2")))[: 1 if QUICK else None]:
            MOMENTS.clear()
            whole = run(folder, "--upskill-replies=live", *workers)
            asking = max(MOMENTS) - min(MOMENTS)
            title = f"{ITEMS} items, {SLOTS} slots, {LATENCY:g} s a reply, {label:5}"
            print(
                f"{title}  {whole:5.1f} s, {whole / ideal:.2f} of the ideal {ideal:g} s (goal: 1.15); "
                f"from the first question to the last reply {asking:.1f} s, {asking / ideal:.2f}"
            )
    server.shutdown()
    server.server_close()


def replayed_items() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made_skill(folder, REPLAYED, "http://127.0.0.1:9/v1")
        config = StudentConfig("pupil", "openai", "m", "http://127.0.0.1:9/v1", concurrency=4)
        questions = PromptRenderer()
        paths = sorted((folder / "skills" / "many" / "evals").iterdir())
        lines = [_recording(config, questions.of(_task(path))) for path in paths]
        cassette.write(folder / "skills" / "many" / "cassettes" / "pupil.jsonl", lines)
        nothing = statistics.median(run(folder, "--upskill-arms=skill", "-k", "spec") for _ in range(ROUNDS))
        replay = ("--upskill-arms=skill", "--upskill-replies=replay")
        seconds = statistics.median(run(folder, *replay) for _ in range(ROUNDS))
    each = (seconds - nothing) / REPLAYED * 1e3
    print(f"{REPLAYED} replayed items      {each:7.2f} ms each, pytest's own time included (goal: under 20 ms)")


def _task(path: Path) -> Task:
    skill_path = path.parents[1] / "SKILL.md"
    return Task("", ItemKind.TEXT, "many", skill_path, load_case(path, "many"), "pupil", "skill", 1, 0, None, None, "")


def _recording(config: StudentConfig, question: Question) -> Recording:
    return Recording.of(config, question, Reply("an answer", tokens=Tokens(9, 2), model="m"))


def opened_cassette() -> None:
    config = StudentConfig("pupil", "openai", "m")
    text = "```cuda\n" + "out[i] = static_cast<scalar_t>(x[i]);\n" * 100 + "```\n"
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "pupil.jsonl"
        questions = [Question("many", f"case-{n}", "skill", 1, Prompt("", str(n))) for n in range(ENTRIES)]
        cassette.write(path, [Recording.of(config, question, Reply(text)) for question in questions])
        key = key_of(config, questions[ENTRIES // 2])
        times = []
        for _ in range(5):
            started = time.perf_counter()
            found = Cassette(path).find(key)
            times.append(time.perf_counter() - started)
            assert found is not None
        size = path.stat().st_size / 1e6
    milliseconds = statistics.median(times) * 1e3
    print(f"{ENTRIES} cassette entries    {milliseconds:7.1f} ms to open, {size:.0f} MB (goal: under 500 ms)")


if __name__ == "__main__":
    opened_cassette()
    replayed_items()
    busy_slots()
