"""The data of the page: an index of all items, and their details in blocks that the page unpacks when it needs them.

Every text is made visible here. Control, format and surrogate characters become texts such as ``⟨U+202E⟩``, so that no
text can change the order in which a person reads it. The page shows texts through ``textContent``.
"""

import base64
import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import asdict
from typing import Any

from pytest_upskill.records import Counterexample, ItemKind, Outcome, VerdictKind
from pytest_upskill.reporting.failure import one_line
from pytest_upskill.reporting.view import View

BLOCK = 50
"""The number of items whose details are packed together in one block."""
LONGEST = 65_536
"""The maximum length (in characters) of a text. If there are many items, the limit for each is lower."""
LONGEST_REASONING = 16_384
_LEAST = 2_000
_ALL_REPLIES = 30_000_000
_ALL_REASONING = 8_000_000
"""The maximum number of characters of all items together, which limits the size of the page."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """Return the text with each invisible character replaced by its code, such as ``⟨U+202E⟩``. Tabs and line ends
    stay.
    """
    if text.isascii() and (text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()):
        return text  # holds for nearly all texts, and takes a tenth of the time
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def packed(data: Any) -> str:
    """Return the data as compressed JSON in base64, which cannot end the HTML element that contains it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 4, mtime=0)).decode()


class PageData:
    """Everything that the page's script reads. ``earlier`` has the verdicts of an earlier run by item."""

    def __init__(self, view: View, earlier: Mapping[str, str]) -> None:
        self._view, self._earlier = view, earlier
        number = max(len(view.items), 1)
        self._longest = min(LONGEST, max(_LEAST, _ALL_REPLIES // number))
        self._longest_reasoning = min(LONGEST_REASONING, max(_LEAST // 2, _ALL_REASONING // number))
        self._pieces: dict[str, int] = {}
        self._prompts: list[list[int]] = []
        self._numbers: dict[str, int] = {}
        """The index of a prompt in the list of prompts, by the prompt's digest."""

    def blocks(self, pool: Executor) -> Iterator[tuple[str, Future[str]]]:
        """Yield the name and the content of each block: ``index``, ``items-0``, ``items-1``, ..., ``prompts``.

        ``pool`` should have several threads, because zlib then compresses on several cores at once.
        """
        items = self._view.items
        texts = {item.prompt_digest: item.prompt for item in items if item.prompt}
        yield "index", pool.submit(packed, self._index(items))
        for number, start in enumerate(range(0, len(items), BLOCK)):
            details = [self._details(item, texts) for item in items[start : start + BLOCK]]
            yield f"items-{number}", pool.submit(packed, details)
        yield "prompts", pool.submit(packed, {"pieces": list(self._pieces), "prompts": self._prompts})

    def _index(self, items: Sequence[Outcome]) -> dict[str, Any]:
        groups: dict[tuple[str, ...], list[int]] = {}
        flags = self._flags()
        for number, item in enumerate(items):
            groups.setdefault((item.skill, item.student or "", item.case or "", item.kind.value), []).append(number)
        rows = [
            {**dict(zip(("skill", "student", "case", "kind"), map(visible, names), strict=True)),
             "tags": [*map(visible, items[numbers[0]].tags)], "flags": flags.get(names[:3], []), "items": numbers}
            for names, numbers in groups.items()
        ]  # fmt: skip
        return {"block": BLOCK, "kept": self._view.run.replies, "rows": rows, "items": [*map(self._entry, items)]}

    def _flags(self) -> dict[tuple[str, ...], list[str]]:
        """Return the flags of each case, by skill, student and case."""
        flags: dict[tuple[str, ...], list[str]] = {}
        for skill in self._view.skills:
            for student in skill.students:
                for flag, cases in student.flags.items():
                    for case in cases:
                        flags.setdefault((skill.name, student.name, case), []).append(flag.value)
        return flags

    def _entry(self, item: Outcome) -> list[Any]:
        """Return an item's entry in the index: arm, trial, verdict, cause, why it did not pass, the verdict of the
        earlier run, and id.
        """
        verdict = item.verdict
        failed = verdict.kind is VerdictKind.FAILED
        cause = verdict.headline.name if failed and verdict.headline else verdict.kind.value
        why = "" if verdict.kind is VerdictKind.PASSED else _cut(visible(one_line(item)), 300)
        entry = [visible(item.arm or ""), item.trial or 1, verdict.kind.value, visible(cause), why]
        return [*entry, self._earlier.get(item.id, ""), visible(item.id)]

    def _details(self, item: Outcome, prompts: Mapping[str, str]) -> dict[str, Any]:
        verdict, found = item.verdict, item.verdict.counterexample
        details = {
            "reason": self._text(verdict.reason),
            "assertions": [[visible(one.name), one.passed, self._text(one.message)] for one in verdict.assertions],
            "example": found and self._counterexample(found),
            "reply": self._text(item.reply),
            **self._source(item),
            "file": [visible(item.source_name), item.source_start, item.shown_line, item.shown_why],
            "unexecuted": item.not_executed,
            "reports": [[one.assertion, self._text(one.message), one.line] for one in item.reports],
            "prompt": self._prompt(item, prompts),
            "reasoning": self._text(item.reasoning, self._longest_reasoning),
            "turns": [[one.verdict.value, self._text(one.reason), self._text(one.reply)] for one in item.turns],
            "notes": [*map(visible, item.notes)],
            "replay": visible(item.replay or ""),
            "tokens": [item.tokens.input, item.tokens.output],
            "cost": item.cost_usd,
            "seconds": [round(one, 3) for one in (item.seconds.reply, item.seconds.build, item.seconds.run)],
            "kernels": [asdict(one) for one in item.kernels],
        }
        if item.kind is ItemKind.MUTANTS and item.score is not None:
            details["score"] = [item.score.killed, item.score.total]
            details["survived"] = [[one.line, visible(one.change), one.advice] for one in item.score.survived]
        return {name: value for name, value in details.items() if value or value == 0}

    def _source(self, item: Outcome) -> dict[str, Any]:
        """Return the kernel's source, or its position in the reply if the reply contains it. This saves a fifth of the
        data.
        """
        source, reply = self._text(item.source), self._text(item.reply)
        if not (isinstance(source, str) and isinstance(reply, str) and source and reply.isascii() and source in reply):
            return {"source": source}
        start = reply.index(source)  # the reply is ASCII, because the page counts in UTF-16
        return {"source_at": [start, start + len(source)]}

    def _counterexample(self, found: Counterexample) -> dict[str, Any]:
        worst = found.worst
        around = worst and worst.around
        return {
            "text": visible(str(found.example)),
            "assertion": visible(found.assertion),
            "message": self._text(found.message),
            "inputs": [[visible(name), self._text(value)] for name, value in found.inputs.items()],
            "line": found.line,
            "reproducible": found.reproducible,
            "worst": worst and {
                "output": visible(worst.output),
                "index": worst.index,
                **{name: visible(getattr(worst, name) or "") for name in ("expected", "got", "error", "bound")},
                "around": around and [around.start, around.expected, around.got, [*map(_rounded, around.ratios)]],
            },
        }  # fmt: skip

    def _prompt(self, item: Outcome, texts: Mapping[str, str]) -> int | None:
        """Return the index of the item's prompt. Prompts are stored as paragraphs, and each paragraph is stored only
        once.
        """
        digest = item.prompt_digest
        if digest not in texts:
            return None
        if digest not in self._numbers:
            parts = visible(texts[digest]).split("\n\n")
            self._prompts.append([self._pieces.setdefault(part, len(self._pieces)) for part in parts])
            self._numbers[digest] = len(self._numbers)
        return self._numbers[digest]

    def _text(self, text: str | None, longest: int | None = None) -> str | list[Any]:
        """Return a text. A text that was cut is returned as a list: its beginning, and the number of missing
        characters.
        """
        longest = longest or self._longest
        text = text or ""
        missing = len(text) - longest
        return [visible(text[:longest]), missing] if missing > 0 else visible(text)


def _rounded(ratios: Sequence[float | None]) -> list[float | None]:
    """Return each ratio with three digits, of which the page shows two. A ratio above 1 (a wrong value) stays
    above 1.
    """
    short = [None if one is None else float(f"{one:.3g}") for one in ratios]
    return [1.01 if one is not None and one > 1 == cut else cut for one, cut in zip(ratios, short, strict=True)]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
