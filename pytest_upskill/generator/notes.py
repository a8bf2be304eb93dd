"""Asks a teacher for notes on the parts of a text that is too long for one question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_upskill.generator.answers import Refused, read_notes
from pytest_upskill.generator.conversations import Conversations, Ended
from pytest_upskill.generator.questions import Order, part_step
from pytest_upskill.generator.teacher import Step
from pytest_upskill.records import Reply


def take_notes(
    talks: Conversations,
    order: Order,
    parts: Sequence[str],
    refused: Callable[[Step, Reply, Refused], object],
    not_answered: Callable[[Ended], object],
) -> tuple[Order, bool]:
    """The order with the notes on ``parts`` as its material, and whether all parts have notes.

    ``refused`` is called if the notes on a part are refused, and ``not_answered`` if there are none.
    """
    steps = [part_step(replace(order, material=one), at, len(parts)) for at, one in enumerate(parts, 1)]
    for step in steps:
        talks.begin(step)
    found: dict[str, str] = {}
    while (ended := talks.next()) is not None:
        if ended.reply is None:
            not_answered(ended)
            continue
        try:
            found[ended.step.name] = read_notes(ended.reply)
        except Refused as reason:
            refused(ended.step, ended.reply, reason)
    told = [f"Part {at}\n\n{found[step.name]}" for at, step in enumerate(steps, 1) if step.name in found]
    what = f"what was noted on the {len(parts)} parts of {order.what}"
    return replace(order, material="\n\n".join(told), what=what), len(found) == len(parts)
