"""The report page in a real browser: nothing loaded, no errors, readable on a phone and in the dark."""

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from service.reports.html import render
from service.reports.schemas import MARKINGS
from tests.fidelity_report import report
from tests.public_report import public_report

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # None: Playwright's own, whose error says how to get it. `make test` sees to one of them.
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def internal_report(column: str) -> dict[str, Any]:
    """Of a private job."""
    found = {"edition": "internal", "marking": MARKINGS["internal"], "privacy": public_report(column)["privacy"]}
    return {**report(column), **found}


@pytest.mark.parametrize("made", [report, public_report, internal_report])
@pytest.mark.parametrize("column", ["age", "<img src=x onerror=alert(1)>" + "long name " * 60])
@pytest.mark.parametrize("width", [390, 1200])
def test_page_opens_without_errors_requests_or_overflow(
    browser: Browser, tmp_path: Path, made: Any, column: str, width: int
) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(made(column)), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert said == []
    assert asked == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    page.close()


def test_text_contrasts_in_light_and_dark(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(report("age")), encoding="utf-8")
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(file.as_uri())
        for selector in ("body", ".soft", ".note", ".badge"):
            ratio = page.evaluate(CONTRAST, selector)
            assert ratio >= 4.5, (scheme, selector, ratio)
        page.close()


def test_editions_are_marked_on_top_in_light_dark_and_print(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    for made, words in ((public_report, "Public edition"), (internal_report, "Internal: not for release")):
        file.write_text(render(made("age")), encoding="utf-8")
        for scheme, media in (("light", "screen"), ("dark", "screen"), ("dark", "print")):
            page = browser.new_page(color_scheme=scheme)
            page.goto(file.as_uri())
            page.emulate_media(media=media, color_scheme=scheme)
            mark = page.locator(".marking")
            assert words in mark.inner_text()
            box = mark.bounding_box()
            assert box is not None
            assert (box["y"], box["height"] > 20) == (0, True)
            own = CONTRAST.replace("document.body", "document.querySelector(selector)")  # it has its own ground
            assert page.evaluate(own, ".marking") >= 4.5
            page.close()


def test_print_is_dark_on_white_and_fits_the_paper(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(report("age")), encoding="utf-8")
    page = browser.new_page(color_scheme="dark", viewport={"width": 690, "height": 980})
    page.goto(file.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST, "body") >= 12
    wide = page.eval_on_selector_all("table", "all => Math.max(...all.map(t => t.getBoundingClientRect().right))")
    assert wide <= 690
    page.close()


def test_keyboard_reaches_the_skip_link_sections_and_tables(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(report("age")), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#verdict"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    targets = page.eval_on_selector_all("nav a", "all => all.map(a => a.getAttribute('href'))")
    assert all(page.locator(target).count() == 1 for target in targets)
    unnamed = page.eval_on_selector_all(
        "svg, [role=region], section", "all => all.filter(e => !e.querySelector('title, h2') && !e.ariaLabel).length"
    )
    assert unnamed == 0
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1
    page.close()


CONTRAST = """selector => {
  const light = text => {
    const [r, g, b] = text.match(/\\d+/g).map(Number).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const ink = light(getComputedStyle(document.querySelector(selector)).color)
  const paper = light(getComputedStyle(document.body).backgroundColor)
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)
}"""
