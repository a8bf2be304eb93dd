"""The HTML report in headless Chromium: click, filter, search, keyboard, 400 px, dark, hostile replies, many items."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_upskill.reporting.html.data import visible
from pytest_upskill.reporting.html.page import render
from pytest_upskill.reporting.view import build_view
from tests.unit.html_pages import HOSTILE, gated_view, replied, wrong
from tests.unit.reporting_outcomes import run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WAIT = 60_000
"""Milliseconds; a loaded machine is no failure."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install playwright")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium on the PATH; install it, for example with 'apt-get install chromium'")
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "run.html"
    before = build_view([wrong("softmax")], run())
    path.write_text(render(gated_view(), [before]), encoding="utf-8")
    return path


class Opened:
    """A page in a context of its own. ``problems`` collects its errors, violations of its policy and requests."""

    def __init__(self, browser: Browser, path: Path, state: str = "", width: int = 1280, colors: str = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=colors)  # type: ignore[arg-type]
        self.page: Page = context.new_page()
        self.page.set_default_timeout(WAIT)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on("request", lambda request: self.problems.append(request.url))
        self.page.goto(f"{path.as_uri()}{state}")
        self.page.wait_for_selector("html[data-ready]")
        self.problems.remove(f"{path.as_uri()}{state}".partition("#")[0])

    def status(self, text: str) -> None:
        self.page.locator("#status", has_text=re.compile(f"^{re.escape(text)}$")).wait_for()

    def rows(self) -> list[str]:
        return self.page.locator("#list .row .case b").all_inner_texts()

    def shown(self) -> str:
        """The text of the open item."""
        self.page.wait_for_selector("#detail[open] .pane")
        return self.page.locator("#detail").inner_text()


def test_filters_and_search_narrow_the_rows_and_are_in_the_url(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report)
    page = opened.page
    opened.status("5 rows, 10 items")
    page.select_option("#show", "arms")
    opened.status("3 of 5 rows, 8 items")
    assert opened.rows() == ["hostile", "rms_norm", "softmax"]
    page.select_option("#show", "trials")
    opened.status("1 of 5 rows, 4 items")
    assert opened.rows() == ["rms_norm"] and page.url.endswith("#show=trials")
    page.select_option("#show", "flipped")
    opened.status("1 of 5 rows, 2 items")
    page.click("#reset")
    page.click("button[data-value=infrastructure-error]")
    opened.status("1 of 5 rows, 1 item")
    page.click("#reset")
    page.select_option("#cause", "compiles")
    opened.status("2 of 5 rows, 4 items")
    page.select_option("#cause", "")
    page.fill("#q", "NEEDLE reasoning")
    opened.status("1 of 5 rows, 2 items")
    assert opened.rows() == ["softmax"] and "q=NEEDLE+reasoning" in page.url
    again = Opened(browser, report, f"#{page.url.partition('#')[2]}")
    again.status("1 of 5 rows, 2 items")
    assert opened.problems == again.problems == []


def test_a_click_shows_all_of_an_item_and_its_arms_side_by_side(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report)
    page = opened.page
    page.click("#list .row:has-text('rms_norm')")
    shown = opened.shown()
    for text in (
        "rows=5 cols=33 dtype=float32 seed=9",
        "out-of-bounds read of 4 bytes",
        "kernel.cu",
        "Around out[4, 32]",
    ):
        assert text in shown
    assert page.locator(".code .marked i").inner_text() == "8"
    assert page.locator(".code .skipped i").all_inner_texts() == ["12", "13"]
    assert page.locator(".heat td button").count() == 16 and page.locator(".heat .worst").inner_text() == "≠"
    page.click(".titled button:text-is('expected')")
    assert page.locator(".heat td button").first.inner_text() == "0.0"
    page.click("summary:text-is('Prompt')")
    page.locator("#detail pre", has_text="Only CUDA.").wait_for()
    page.click("#side")
    page.locator(".pane").nth(1).wait_for()
    assert page.locator(".pane > h3:first-child").all_inner_texts() == [
        "✕ failed skill, trial 1",
        "✕ failed baseline, trial 1",
    ]
    again = Opened(browser, report, f"#{page.url.partition('#')[2]}")
    again.page.locator(".pane").nth(1).wait_for()
    page.click("#close")
    assert "item=" not in page.url and opened.problems == again.problems == []


def test_everything_can_be_done_with_the_keyboard(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report)
    page, keys = opened.page, opened.page.keyboard
    for key in ("j", "ArrowDown", "ArrowUp", "j", "Enter"):
        keys.press(key)
    names = opened.rows()
    page.wait_for_selector(f"#detail[open] h2:has-text('{names[2]}')")
    keys.press("ArrowRight")
    page.wait_for_selector("#tabs :nth-child(2)[aria-selected=true]")
    keys.press("j")
    page.wait_for_selector(f"#detail[open] h2:has-text('{names[3]}')")
    keys.press("Escape")
    page.wait_for_selector("#detail", state="hidden")
    keys.press("/")
    keys.type("softmax")
    opened.status("1 of 5 rows, 2 items")
    keys.press("Enter")
    assert "softmax" in opened.shown()
    keys.press("Escape")
    keys.press("?")
    page.wait_for_selector("#help[open]")
    assert opened.problems == []


def test_hostile_replies_are_text(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report)
    page = opened.page
    title, elements = page.title(), page.locator("img, iframe, svg[onload], script:not([id]):not([type])").count()
    page.click("#list .row:has-text('hostile')")
    opened.shown()
    assert page.locator("#panes details pre").first.text_content() == visible("\n".join(HOSTILE))
    page.wait_for_timeout(50)
    assert (page.title(), elements) == (title, 0)
    assert page.locator("#detail :is(script, img, svg, a, style)").count() == 0
    assert opened.problems == []


@pytest.mark.parametrize("colors", [pytest.param("light", marks=pytest.mark.full), "dark"])
def test_a_page_of_400_px_is_usable_in_both_colours(browser: Browser, report: Path, colors: str) -> None:
    opened = Opened(browser, report, width=400, colors=colors)
    page = opened.page
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 400
    page.click("#list .row:has-text('rms_norm')")
    opened.shown()
    assert page.evaluate("document.getElementById('detail').scrollWidth") <= 400
    page.click("#close")
    light, dark = "rgb(255, 255, 255)", "rgb(20, 23, 28)"
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == (dark if colors == "dark" else light)
    page.click("#theme")
    assert page.evaluate(background) == light
    page.click("#theme")
    assert page.evaluate(background) == dark
    assert opened.problems == []


@pytest.mark.full
def test_five_thousand_items_open_scroll_and_are_searched(browser: Browser, tmp_path: Path) -> None:
    filler = "each block reduces one row in shared memory and writes it back " * 60
    items = [replied(f"case_{number:04d}", arm, trial, reply=f"{filler}needle{number}x {arm}")
             for number in range(500) for arm in ("skill", "baseline") for trial in range(1, 6)]  # fmt: skip
    path = tmp_path / "big.html"
    path.write_text(render(build_view(items, run())), encoding="utf-8")
    seconds = []
    for _ in range(3):  # the least of three: other tests run at the same time
        started = time.perf_counter()
        opened = Opened(browser, path)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 2
    page = opened.page
    opened.status("500 rows, 5000 items")
    assert page.locator("#list .row").count() < 100
    page.locator("#list").focus()
    page.keyboard.press("End")
    page.wait_for_selector("#row-499[aria-selected=true]")
    assert page.locator("#list .row").count() < 100
    page.fill("#q", "back NEEDLE321x baseline")
    opened.status("1 of 500 rows, 10 items")
    assert opened.rows() == ["case_0321"] and opened.problems == []
