"""docs/reports.md: each example is what the report of this small run has."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from pytest_upskill.history.comparison import compare
from pytest_upskill.history.selection import LAST
from pytest_upskill.history.store import RunRow, StoredRun
from pytest_upskill.records import VerdictKind
from pytest_upskill.records.gating import Gate, GateKind, Gates
from pytest_upskill.reporting import junit_properties, markdown_report, render, skill_creator
from pytest_upskill.reporting.html import data
from pytest_upskill.reporting.view import View, build_view
from tests.unit.reporting_outcomes import SOURCE, counterexample, outcome, run

PAGE = Path(__file__).parents[2] / "docs" / "reports.md"
_REPLAY = "pytest 'skills/cuda-kernels/SKILL.md::softmax[glm-4.7-skill]' --upskill-student=glm-4.7"


def small_run() -> View:
    message = "1 of 33 elements of 'out' is wrong"
    failed = {"correct[float16]": message}
    items = [
        outcome(cost_usd=0.002, source=SOURCE, reply="Here it is."),
        outcome(arm="baseline", failed={"compiles": "kernel.cu:4: unknown type name 'half'"}, cost_usd=0.001),
        outcome(
            "softmax", failed=failed, counterexample=counterexample(message=message), replay=_REPLAY, cost_usd=0.002
        ),
        outcome("softmax", arm="baseline", kind=VerdictKind.INFRASTRUCTURE_ERROR, reason="the server is down"),
    ]
    items = [replace(item, prompt_digest="5f70bf18") for item in items]
    before = [items[0], outcome("softmax"), outcome("softmax", arm="baseline", failed=failed)]
    runs = [StoredRun(RunRow(number, "", run()), tuple(each)) for number, each in ((6, before), (7, items))]
    gates = Gates((Gate(GateKind.MIN_PASS_RATE, 0.4), Gate(GateKind.NO_REGRESSION, run=LAST)))
    return build_view(items, run(), gates, {LAST: compare(*runs)})


def examples() -> dict[str, str]:
    """By heading of the page: the example in its first block."""
    view = small_run()
    report = json.loads(render(view, ".json"))
    item = next(one for one in report["items"] if one["counterexample"])
    shown = {name: item[name] for name in ("id", "verdict", "counterexample", "cost_usd", "replay")}
    files = {str(path): text for path, text in skill_creator.files(view)}
    benchmark = json.loads(files["cuda-kernels/glm-4.7/benchmark.json"])
    names, values = (line.split(",") for line in render(view, "upskill").splitlines()[:2])
    properties = junit_properties.properties(next(one for one in view.items if one.verdict.counterexample))
    return {
        "JSON": json.dumps({"schema": 1, "items": [shown], "lift": report["lift"]}, indent=2),
        "CSV": "\n".join(render(view, ".csv").splitlines()[:3]),
        "Markdown": render(view, ".md").rstrip("\n"),
        "JUnit XML": "\n".join(f'<property name="{name}" value="{value}" />' for name, value in properties[:6]),
        "skill-creator": "\n".join(sorted(files)),
        "benchmark.json": json.dumps(benchmark["run_summary"]["delta"] | {"notes": benchmark["notes"]}, indent=2),
        "upskill": "\n".join(f"{name:20} {value}".rstrip() for name, value in zip(names, values, strict=True)),
        "A badge": render(view, "badge").rstrip("\n"),
    }


def test_each_example_of_the_page_is_real() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for heading, text in examples().items():
        section = page.partition(f"# {heading}\n")[2]
        fence = re.search(r"^(~~~+|```+)\w*\n(.*?)\n\1$", section, re.DOTALL | re.MULTILINE)
        assert fence, heading
        assert fence[2] == text, heading


def test_the_limits_that_the_page_names_are_those_of_the_code() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"at most {markdown_report._FITS:,} characters" in page
    assert f"Texts are cut at {data.LONGEST:,} characters (reasoning at {data.LONGEST_REASONING:,})" in page


def test_the_page_describes_every_input_of_the_action() -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"^  ([a-z-]+):\n    description: ", (PAGE.parents[1] / "action.yml").read_text(), re.MULTILINE)
    assert len(named) > 10
    assert [name for name in named if f"`{name}`" not in page] == []
