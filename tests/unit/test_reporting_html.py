"""The HTML report as a file: what it holds, what it may load, its size; how it looks is tested in a browser."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_upskill.records import Outcome, VerdictKind
from pytest_upskill.reporting import render
from pytest_upskill.reporting.html import page as html_page
from pytest_upskill.reporting.html import plots
from pytest_upskill.reporting.html.data import LONGEST, visible
from pytest_upskill.reporting.view import build_view
from tests.unit.html_pages import HOSTILE, gated_view, replied, small_run, unpacked, wrong
from tests.unit.reporting_outcomes import SOURCE, golden, outcome, run

REPORTS = Path(__file__).parents[2] / "docs" / "reports.md"


def written(outcomes: list[Outcome]) -> str:
    return render(build_view(outcomes, run(replies=".upskill/replies")), ".html")


@pytest.fixture(scope="module")
def small() -> str:
    return written(small_run())


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._inside, []).append(data)


def test_the_page_loads_nothing_and_has_no_inline_handlers_or_styles(small: str) -> None:
    for tag, attributes in Elements(small).found:
        assert tag not in {"link", "iframe", "object", "embed", "img", "base"}
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src", "action"}]
        assert all((attributes.get(name) or "#").startswith("#") for name in ("href", "xlink:href"))


def test_the_policy_allows_the_pages_own_script_and_style_alone(small: str) -> None:
    elements = Elements(small)
    policy = next(found["content"] for tag, found in elements.found if "http-equiv" in found) or ""
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        own = re.search(rf"<{tag}(?: type=\"module\")?>(.*?)</{tag}>", small, re.DOTALL)
        assert own is not None
        digest = base64.b64encode(hashlib.sha256(own[1].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy


def test_hostile_texts_are_in_the_page_as_data_and_in_no_element(small: str) -> None:
    assert small.count("owned") == small.count("document.title=&#39;owned&#39;") > 0  # a note, escaped
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b]", small)
    item = next(one for one in unpacked(small)["items-0"] if "⟨U+202E⟩override" in str(one.get("reply")))
    assert item["reply"] == item["source"] == item["reasoning"] == visible("\n".join(HOSTILE))
    for shown in ("⟨U+001B⟩[31mred", "⟨U+0000⟩nul", "⟨U+D800⟩", "⟨U+FFFE⟩", "</script></pre>", "⟨U+2028⟩separator"):
        assert shown in item["reply"]
    small.encode("utf-8")


def test_hostile_names_of_cases_students_and_skills_are_escaped_everywhere() -> None:
    name = "</title><script>owned()</script>$x_1$ \u202e\x1b[0m 漢字"
    items = [replied(name, arm, skill=name, student=name) for arm in ("skill", "baseline")]
    page = written(items)
    assert "<script>owned" not in page and "\u202e" not in page and "\x1b" not in page
    assert unpacked(page)["index"]["rows"][0]["case"] == visible(name)


def test_ordinary_text_of_any_script_is_not_changed() -> None:
    text = "naïve Ω 漢字 العربية 🚀 \tx\n\u00a0y �"
    assert visible(text) == text
    assert visible("a\r\nb\rc") == "a\nb⟨U+000D⟩c"


def test_an_item_has_all_that_is_known_of_it(small: str) -> None:
    data = unpacked(small)
    number = next(n for n, one in enumerate(data["index"]["items"]) if one[6].endswith("rms_norm[glm-4.7-skill]"))
    arm, trial, verdict, cause, why, earlier, _ = data["index"]["items"][number]
    assert (arm, trial, verdict, cause, earlier) == ("skill", 1, "failed", "memory", "")
    assert why.startswith("memory: out-of-bounds read")
    item = data["items-0"][number]
    assert item["reply"][slice(*item["source_at"])] == SOURCE and item["file"][:3] == ["kernel.cu", 1, 8]
    assert item["unexecuted"] == [[12, 13]] and item["reports"][0][2] == 8
    assert item["example"]["text"] == "rows=5 cols=33 dtype=float32 seed=9"
    assert item["example"]["inputs"] == [["x", "[0.5, -1]"]]
    start, expected, _, ratios = item["example"]["worst"]["around"]
    assert (start, expected[1][0], ratios[1][7]) == ([3, 25], "1.0", None)
    assert item["replay"].startswith("pytest ")


def test_trials_and_arms_of_a_case_are_one_row(small: str) -> None:
    rows = [row for row in unpacked(small)["index"]["rows"] if row["case"] == "rms_norm"]
    assert [(len(row["items"]), row["tags"]) for row in rows] == [(4, ["reduction"])]


def test_a_prompt_is_stored_once_and_its_paragraphs_are_shared() -> None:
    rules = "\n\n".join(f"rule {number}" for number in range(50))
    items = [replied(case, trial=trial, prompt=f"{rules}\n\n{case}", student=student)
             for case in ("one", "two") for trial in (1, 2) for student in ("a", "b")]  # fmt: skip
    items = [items[0], *(replace(item, prompt="") if item.trial == 2 else item for item in items[1:])]
    data = unpacked(written(items))
    assert len(data["prompts"]["pieces"]) == 52 and len(data["prompts"]["prompts"]) == 2
    assert sorted(one["prompt"] for one in data["items-0"]) == [0] * 4 + [1] * 4


def test_long_texts_are_cut_and_what_is_missing_is_counted() -> None:
    item = replied("long", reply="x" * (LONGEST + 7), reasoning="y" * 100_000, source="z" * 10)
    data = unpacked(written([item]))
    (found,) = data["items-0"]
    assert found["reply"] == ["x" * LONGEST, 7]
    assert len(found["reasoning"][0]) + found["reasoning"][1] == 100_000
    assert found["source"] == "z" * 10
    assert data["index"]["kept"] == ".upskill/replies"


@pytest.mark.parametrize(("text", "kept"), [("a", {"source_at": [4, 9]}), ("\U0001f600", {"source": "x = 1"})])
def test_a_kernel_that_is_in_the_reply_is_stored_once(text: str, kept: dict[str, object]) -> None:
    item = replied("twice", reply=f"{text}:\n\nx = 1\n", source="x = 1")
    (found,) = unpacked(written([item]))["items-0"]
    assert {name: value for name, value in found.items() if name.startswith("source")} == kept


def test_an_earlier_run_marks_what_flipped_and_draws_a_history() -> None:
    now, before = build_view([replied("a"), wrong("b")], run()), build_view([wrong("a"), wrong("b")], run())
    page = html_page.render(now, [before])
    assert [one[5] for one in unpacked(page)["index"]["items"]] == ["failed", "failed"]
    assert "Pass rate with the skill in earlier runs" in page
    assert "earlier runs" not in html_page.render(now)


def test_gates_and_what_has_changed_since_the_last_run_stand_in_the_overview(small: str) -> None:
    texts = " ".join(re.sub("<[^>]*>", " ", html_page.render(gated_view()).partition("<figure>")[0]).split())
    for said in (
        "FAIL min-pass-rate 90%, cuda-kernels glm-4.7: 50% [15% to 85%]",
        "PASS min-lift \u221250 points, cuda-kernels glm-4.7: ",
        "INCONCLUSIVE max-cost $1.00, cuda-kernels: $0.00; 9 of 9 replies have no price",
        "Since run 3 of 2026-11-23 01:44: 1 regressed, 1 fixed, 6 added, 0 unchanged",
        "regressed rms_norm · glm-4.7 · with skill · cuda-kernels: passed → 1 of 2 passed",
        "differs: device: cuda → cpu",
        "noise floor (A/A run 2 of 2026-11-20, 2 cases): flip rate 50% [9% to 91%]; lift +50 points [\u221238, +97]",
    ):
        assert said in texts, said
    assert 'class="gates"' not in small and "Since run" not in small


@pytest.mark.parametrize("items", [
    [], [golden("scale")], [outcome(kind=VerdictKind.INCONCLUSIVE, reason="unsure")],
    [replied("a"), wrong("a", "placebo")],
], ids=["nothing", "self-check", "undecided", "control arm"])  # fmt: skip
def test_every_run_has_a_page(items: list[Outcome]) -> None:
    self_check = any(item.student == "golden" for item in items)
    page = render(build_view(items, run(self_check=self_check)), ".html")
    assert len(unpacked(page)["index"]["items"]) == len(items)
    assert ("<figure>" in page) == ("placebo" in page)


def test_plots_take_their_colours_from_the_page_and_show_names_as_they_are(small: str) -> None:
    drawn = "".join(re.findall(r"<figure>.*?</figure>", small, re.DOTALL))
    assert drawn.count("<svg") == 3 and 'class="stroke-' in drawn and "#0102" not in drawn
    assert "style=" not in drawn and "<style" not in drawn and "1 up: softmax" in drawn


def test_without_matplotlib_the_page_says_how_to_get_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = written(small_run())
    assert "<figure>" not in page and "pytest-upskill[report]" in page
    assert plots.MISSING.startswith("The plots need matplotlib")


@pytest.mark.full
def test_five_thousand_items_weigh_under_10_mb_and_are_written_in_5_seconds() -> None:
    choose = random.Random(5)
    words = [
        "tile",
        "warp",
        "block",
        "shared",
        "reduce",
        "index",
        "stride",
        "launch",
        "grid",
        "row",
        "column",
        "half",
        "because",
        "each",
        "thread",
        "sum",
    ]

    def text() -> str:
        return " ".join(choose.choice(words) + str(choose.randrange(50)) for _ in range(520))

    items = [
        make(f"case_{number:04d}", arm, trial, reply=text())
        for number in range(500) for arm in ("skill", "baseline") for trial in range(1, 6)
        for make in (choose.choice((replied, wrong)),)
    ]  # fmt: skip
    assert len(items) == 5000 and min(len(item.reply) for item in items) > 3500
    view = build_view(items, run())
    started = time.process_time()
    page = render(view, ".html")
    assert time.process_time() - started < 5
    assert len(page.encode()) < 10_000_000
    assert f"replies of 4 KB take about {len(page) / 1e6:.0f} MB" in REPORTS.read_text(encoding="utf-8")
