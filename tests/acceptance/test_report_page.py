"""The report page in a real browser: nothing loaded, no errors, readable on a phone and in the dark."""

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from service.reports.html import render, render_side, tables
from service.reports.schemas import MARKINGS
from tests.comparison_report import comparison, search, side_by_side
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


@pytest.mark.parametrize("made", [report, public_report, internal_report, comparison, search, side_by_side])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser: Browser, tmp_path: Path, made: Any, scheme: Any) -> None:
    file = tmp_path / "report.html"
    file.write_text((render_side if made is side_by_side else render)(made("age")), encoding="utf-8")
    page = browser.new_page(color_scheme=scheme)
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    found = Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()
    assert len(found.response["passes"]) > 20
    page.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The small report in a browser."""
    file = tmp_path / "report.html"
    file.write_text(render(wide_report()), encoding="utf-8")
    page = browser.new_page(reduced_motion="reduce")
    page.set_default_timeout(5_000)
    page.goto(file.as_uri())
    yield page
    page.close()


def wide_report() -> dict[str, Any]:
    """With three columns, so that there is a map of pairs."""
    data = report("age")
    pairs = {**data["sections"]["pairs"], "columns": ["age", "sex", "pay"], "first": [0, 0, 1], "second": [1, 2, 2]}
    pairs |= {"trend": {"synthetic": [0.1, 0.3, 0.2]}, "tvd2": {"synthetic": [0.2, 0.1, 0.1]}}
    table = {"columns": ["age", "pay"], "at": [0, 2], "labels": [["young", "old"], ["low", "high"]],
             "real": [[0.4, 0.1], [0.1, 0.4]], "synthetic": [[0.25, 0.25], [0.25, 0.25]]}  # fmt: skip
    return {**data, "sections": {**data["sections"], "pairs": {**pairs, "tables": [table]}}}


def test_drawings_answer_to_pointer_and_keyboard(opened: Page) -> None:
    plot = opened.locator("#columns .plot").first
    plot.focus()
    opened.keyboard.press("ArrowRight")
    tip = opened.locator(".tip")
    assert tip.inner_text() == "age: real 50.0%, synthetic 25.0%"
    opened.keyboard.press("End")
    assert tip.inner_text() == "b: real 50.0%, synthetic 75.0%"
    assert opened.locator("p[role=status]").inner_text() == tip.inner_text()
    opened.keyboard.press("Escape")
    assert tip.is_hidden()
    opened.locator("#training .plot svg").hover()
    assert "training rows: 3" in tip.inner_text()


def test_scales_and_series_can_be_changed(opened: Page) -> None:
    dot = opened.locator("#columns svg.histogram circle").first
    place = dot.get_attribute("cy")
    opened.get_by_role("button", name="log").click()
    assert dot.get_attribute("cy") != place
    opened.get_by_role("button", name="linear").click()
    assert dot.get_attribute("cy") == place
    assert dot.is_visible()
    opened.locator("#columns .legend button", has_text="synthetic").click()
    assert dot.is_hidden()
    line = opened.locator("#training .series").first
    opened.locator("#training .legend button").first.click()
    assert line.is_hidden()


def test_tables_sort_filter_and_download(opened: Page) -> None:
    opened.locator("details", has=opened.locator("table[data-name=pairs]")).locator("summary").click()
    table = opened.locator("table[data-name=pairs]")
    first = table.locator("tbody tr").first
    assert "pay" in first.inner_text()
    table.get_by_role("button", name="Trend").click()
    table.get_by_role("button", name="Trend").click()
    assert "10.0%" in first.inner_text()
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    with opened.expect_download() as got:
        opened.get_by_role("button", name="Download Trend error and total variation distance of pairs").click()
    assert got.value.suggested_filename == "pairs.csv"
    (same,) = [t for t in tables(render(wide_report())) if t.name == "pairs"]
    mine = Path(got.value.path()).read_text(encoding="utf-8").splitlines()
    assert sorted(mine) == sorted(same.csv().splitlines())


def test_the_map_of_pairs_zooms_and_opens_a_pair(opened: Page) -> None:
    squares = opened.locator("svg.squares.live rect")
    assert squares.count() == 3
    squares.first.click()
    detail = opened.locator(".pair-detail")
    assert "10.00%" in detail.inner_text()
    squares.nth(1).click()
    detail.get_by_role("button", name="Two-way table").click()
    assert opened.locator("details.two-way[open]").count() == 1
    plot = opened.locator(".heat-figure .plot")
    plot.focus()
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("Enter")
    assert "age × pay" in detail.inner_text()
    opened.get_by_role("button", name="Zoom in").click()
    assert squares.count() >= 1


def test_everything_is_there_without_the_script(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(wide_report()), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    for name in ("pairs", "column-age", "training", "scorecard"):
        assert page.locator(f"table[data-name={name}]").count() == 1
    assert page.locator("svg.squares rect").count() == 3
    assert page.locator("figure").count() == page.locator("figure .look").count()
    context.close()
