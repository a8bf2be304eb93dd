"""``--upskill-concurrency``: so many questions are open at once, over all processes: no fewer, and no more."""

from __future__ import annotations

import threading

from tests.integration.conftest import BOTH, Workbench
from tests.integration.text_skill import asked, text_skill
from tests.llama.scripted import Stream, endpoint, reply

ASK = ("skills", "--upskill-student=pupil", "-k", "word", "--upskill-arms=skill")
PATIENCE = 60.0


class Gate:
    """Lets questions through in rounds of ``size``: a round that does not fill up breaks the barrier."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=PATIENCE)
        self.open = 0
        self.most = 0
        self._lock = threading.Lock()

    def answer(self, question: object) -> Stream:
        whole = reply("an answer")
        steps = iter(range(len(whole.events)))
        return Stream(whole.events, before=lambda: self._step(next(steps), len(whole.events)))

    def _step(self, number: int, count: int) -> None:
        if number == 0:
            with self._lock:
                self.open += 1
                self.most = max(self.most, self.open)
            self.barrier.wait()
        if number == count - 1:
            with self._lock:
                self.open -= 1


@BOTH
def test_that_many_questions_are_open_at_once_over_all_workers(bench: Workbench, workers: list[str]) -> None:
    gate = Gate(3)
    with endpoint(gate.answer) as server:
        text_skill(bench, server, 12, "concurrency = 1")
        bench.run(*ASK, "--upskill-concurrency=3", *workers).assert_outcomes(passed=12)
        assert sorted(asked(server)) == sorted(set(asked(server)))
    assert gate.most == 3
    assert not gate.barrier.broken


def test_without_the_option_the_students_table_counts(bench: Workbench) -> None:
    gate = Gate(2)
    with endpoint(gate.answer) as server:
        text_skill(bench, server, 4, "concurrency = 2")
        bench.run(*ASK).assert_outcomes(passed=4)
    assert gate.most == 2


def test_with_x_no_more_is_asked_ahead_than_the_slots_need(bench: Workbench) -> None:
    with endpoint(reply("nothing")) as server:
        text_skill(bench, server, 12, "concurrency = 1")
        bench.run(*ASK, "-x").assert_outcomes(failed=1)
        assert len(server.questions) <= 4


def test_questions_are_asked_in_the_order_of_the_items(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 6, "concurrency = 1")
        bench.run(*ASK).assert_outcomes(passed=6)
        assert asked(server) == sorted(asked(server))
