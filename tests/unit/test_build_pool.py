"""The pool that works on replies: who does a job, and in which order."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest

from pytest_upskill.build.build_pool import BuildPool
from pytest_upskill.records import Reply
from pytest_upskill.sandbox import process

PATIENCE = 30.0


def there(text: str = "") -> Future[Reply]:
    future: Future[Reply] = Future()
    future.set_result(Reply(text))
    return future


def test_a_job_that_has_not_begun_is_done_by_the_thread_that_needs_it() -> None:
    busy, release = threading.Event(), threading.Event()

    def hold(reply: Reply) -> str:
        busy.set()
        release.wait(PATIENCE)
        return "held"

    pool = BuildPool(1)
    first = pool.after(there(), hold)
    assert busy.wait(PATIENCE)
    second = pool.after(there("b"), lambda reply: f"{reply.text} by {threading.current_thread().name}")
    assert second.result() == f"b by {threading.current_thread().name}"
    release.set()
    assert first.result() == "held"


def test_jobs_are_begun_in_the_order_of_the_items_not_of_the_replies() -> None:
    busy, release, order = threading.Event(), threading.Event(), []
    done = threading.Semaphore(0)

    def hold(reply: Reply) -> None:
        busy.set()
        release.wait(PATIENCE)

    def note(reply: Reply) -> None:
        order.append(reply.text)
        done.release()

    pool = BuildPool(1)
    pool.after(there(), hold)
    assert busy.wait(PATIENCE)
    replies: list[Future[Reply]] = [Future(), Future()]
    for reply in replies:
        pool.after(reply, note)
    replies[1].set_result(Reply("second"))
    replies[0].set_result(Reply("first"))
    release.set()
    for _ in replies:
        assert done.acquire(timeout=PATIENCE)
    assert order == ["first", "second"]


def test_close_ends_the_process_of_a_job_and_begins_no_other(tmp_path: Path) -> None:
    pool, began, other = BuildPool(1), tmp_path / "began", tmp_path / "other"
    argv = ["/bin/sh", "-c", f"echo $$ > {began}.new; mv {began}.new {began}; exec sleep 600"]
    threads: list[threading.Thread] = []

    def build() -> process.Ran:
        threads.append(threading.current_thread())
        return process.run(argv, environment={"PATH": "/bin:/usr/bin"}, seconds=600)

    job = pool.begin(build)
    pool.begin(other.touch)
    deadline = time.monotonic() + PATIENCE
    while not began.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    pool.close()
    with pytest.raises(CancelledError):
        job.result()
    assert not Path(f"/proc/{began.read_text().strip()}").exists()
    threads[0].join(PATIENCE)
    assert not threads[0].is_alive()
    assert not other.exists()
    pool.begin(other.touch)
    assert not other.exists()


def test_what_the_reply_or_the_work_raises_is_raised_by_the_result() -> None:
    pool = BuildPool(1)
    failed: Future[Reply] = Future()
    failed.set_exception(KeyError("reply"))
    with pytest.raises(KeyError):
        pool.after(failed, lambda reply: None).result()

    def work(reply: Reply) -> None:
        raise ValueError("work")

    job = pool.after(there(), work)
    for _ in range(2):
        with pytest.raises(ValueError, match="work"):
            job.result()
