"""Runs for the tests of the HTML report, and what a page holds, unpacked."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from typing import Any

from pytest_upskill.history.comparison import compare
from pytest_upskill.history.selection import LAST
from pytest_upskill.history.store import AARun, RunRow, StoredRun
from pytest_upskill.records import Example, Finding, Outcome, VerdictKind, Window, WorstElement
from pytest_upskill.records.gating import Gate, GateKind, Gates
from pytest_upskill.reporting.view import View, build_view
from tests.unit.reporting_outcomes import SOURCE, counterexample, outcome, run, spec

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "</script></pre></textarea></style></title><!--<script>-->]]><svg onload=alert(1)>",
    "{{ 7*7 }} {% raw %} ${7*7} <%= 7*7 %> &lt;b&gt; &#60;",
    "line\u2028separator\u2029paragraph, \u202eoverride\u202c, \u2066isolate\u2069, \u200bnothing",
    "\x1b[31mred\x1b]8;;http://x.invalid\x07link\x00nul\x9bC1 \ud800 \ufffe",
    "javascript:alert(1) data:text/html,<b> 'quote' \"double\" `tick` \\u0041 \\x3c",
)
"""Texts that a model may write."""


def replied(
    case: str, arm: str = "skill", trial: int = 1, *, reply: str | None = None, prompt: str = "", **more: Any
) -> Outcome:
    """An item whose prompt and reply are known."""
    prompt = prompt or f"Rules.\n\nOnly CUDA.\n\nTask: {case}, {arm}."
    text = f"Here is {case}.\n```cuda\n{SOURCE}```\n" if reply is None else reply
    known = {"source": SOURCE, "reply": text, "prompt_digest": prompt, "prompt": prompt}
    return outcome(case, arm=arm, trial=trial, **{**known, **more})


def wrong(case: str, arm: str = "skill", trial: int = 1, **more: Any) -> Outcome:
    """A failed item with a counterexample, the elements around the worst one, a report and lines not executed."""
    rows = tuple(tuple(f"{row}.{col}" for col in range(8)) for row in range(2))
    ratios = tuple(tuple(None if (row, col) == (1, 7) else col / 4 for col in range(8)) for row in range(2))
    worst = WorstElement("out", (4, 32), "1.7", "nan", None, None, Window((3, 25), rows, rows, ratios))
    found = counterexample(
        "memory", example=Example({"rows": 5, "cols": 33}, "float32", 9), worst=worst, line=8, inputs={"x": "[0.5, -1]"}
    )
    failed = {"correct[float32]": "1 of 165 elements is wrong", "memory": "kernel.cu:8: out-of-bounds read of 4 bytes"}
    known = {
        "failed": failed, "counterexample": found, "not_executed": ((12, 13),),
        "reports": (Finding("memory", "read", "kernel.cu:8: out-of-bounds read of 4 bytes", 8),),
        "replay": f"pytest 'skills/cuda-kernels/SKILL.md::{case}[glm-4.7-{arm}]'",
    }  # fmt: skip
    return replied(case, arm, trial, **{**known, **more})


def small_run() -> list[Outcome]:
    """Four cases in two arms, one of them hostile in every text, and the skill's own item."""
    text = "\n".join(HOSTILE)
    message = f"kernel.cu:3:1: error: {text}"
    hostile = replied("hostile", reply=text, source=text, reasoning=text, failed={"compiles": message}, notes=(text,),
                      prompt=text)  # fmt: skip
    gone = outcome("gone", arm="skill", kind=VerdictKind.INFRASTRUCTURE_ERROR, reason="the server is down")
    return [
        spec(),
        wrong("rms_norm", tags=("reduction",)),
        replied("rms_norm", trial=2, tags=("reduction",)),
        wrong("rms_norm", "baseline", tags=("reduction",)),
        wrong("rms_norm", "baseline", 2, tags=("reduction",)),
        replied("softmax", reasoning="a needle in the reasoning"),
        replied("softmax", "baseline", failed={"compiles": "kernel.cu:4:9: error: 'sumx' was not declared"}),
        replace(hostile, case="hostile"),
        replied("hostile", "baseline"),
        gone,
    ]


def gated_view() -> View:
    """The small run with gates of each verdict, compared with a run of two items, one of which had another verdict."""
    rate, lift, dear = GateKind.MIN_PASS_RATE, GateKind.MIN_LIFT, GateKind.MAX_COST
    gates = Gates((Gate(rate, 0.9), Gate(lift, -0.5), Gate(dear, 1.0)))
    before, after = (StoredRun(RunRow(number, "", run(device=device)), tuple(items)) for number, device, items in (
        (3, "cuda", [replied("rms_norm"), wrong("softmax")]), (4, "cpu", small_run())))  # fmt: skip
    same = AARun(
        "cuda-kernels", "glm-4.7", 2, "2026-11-20", {}, {"a": [True], "b": [True]}, {"a": [True], "b": [False]}
    )
    return build_view(after.items, after.info, gates, {LAST: compare(before, after)}, [same])


def unpacked(page: str) -> dict[str, Any]:
    """The data of a page, by name of the block."""
    found = re.findall(r'<script type="application/octet-stream" id="data-([\w-]+)">([^<]*)</script>', page)
    return {name: json.loads(gzip.decompress(base64.b64decode(text))) for name, text in found}
