"""The page of a report in a real browser: it can be read in both themes and in a narrow window, and needs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from softproof import Report
from softproof.reports.as_html import NOTHING_ELSE, html
from softproof.reports.pictures import DECADES
from softproof.reports.row import Point

from .helpers.browser import Browser
from .helpers.colours import contrast, luminance
from .helpers.reports import HOSTILE, KINDS, reports, with_text
from .helpers.rows import AGREEING, changed

LOOK = (Path(__file__).parent / "helpers" / "look.js").read_text(encoding="utf-8")
WINDOWS = (("light", 1200), ("dark", 480), ("light", 375))  # 60 columns, and a phone
TEXTS = 80  # of the page that has least
UNWANTED = "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"
CLOSED = "[...document.querySelectorAll('details:not([open]) > summary')]"
FIRST = f"""(([title]) => {{
  title.scrollIntoView({{ block: "center" }});
  const box = title.getBoundingClientRect();
  return [box.left + 20, box.top + box.height / 2, title.textContent];
}})({CLOSED})"""


@cache
def pages() -> dict[str, str]:
    """Every kind of report, texts that nobody is to obey, long ones without a place to break, and the largest map."""
    sizes = [
        Point(rows, classes, 1e-30, {"value": 1e-30}, passing=("value",)) for rows, classes in product(DECADES, DECADES)
    ]
    others = {
        "hostile": with_text(reports()["disagrees"], HOSTILE),
        "long words": with_text(reports()["disagrees"], "m" * 200),
        "every size": Report((changed(AGREEING, points=tuple(sizes), problems=len(sizes)),), 0),
    }
    return {name: html(report) for name, report in {**reports(), **others}.items()}


# ---- what a reader sees ---------------------------------------------------------------------------------------------


def faults(browser: Browser, page: str) -> Iterator[str]:
    """All that is wrong with a page, with each of its parts opened by a click."""
    browser.show(page)
    yield from _stays_closed(browser)
    for theme, width in WINDOWS:
        browser.prefer(theme, width)
        yield from (f"{theme}, {width} wide: {fault}" for fault in _seen(browser.evaluate(LOOK), theme))
    addresses = [event["request"]["url"] for event in browser.happened("Network.requestWillBeSent")]
    yield from (f"asks for {address}" for address in addresses[1:])  # the first is the page
    yield from (f"an error: {event}" for event in browser.happened(*UNWANTED))


def _stays_closed(browser: Browser) -> Iterator[str]:
    for left in range(browser.evaluate(f"{CLOSED}.length"), 0, -1):
        x, y, title = browser.evaluate(FIRST)
        browser.click(x, y)
        if browser.evaluate(f"{CLOSED}.length") != left - 1:
            yield f"does not open: {title}"
            return


def _seen(look: dict[str, Any], theme: str) -> Iterator[str]:
    """By what look.js has found."""
    if look["texts"] < TEXTS:
        yield f"{look['texts']} texts"
    if (luminance(look["page"]) < 0.05) != (theme == "dark"):
        yield f"its ground is {look['page']}"
    for text, ground, said in look["colours"]:
        if not (text.endswith("ff") and ground.endswith("ff") and contrast(text, ground) >= 4.5):
            yield f"{text} on {ground}: {said}"
    if look["width"] > look["room"]:
        yield f"needs {look['width']} pixels of {look['room']}"
    yield from (f"scrolls: {each}" for each in look["scrolled"] if each != "map")
    yield from (f"upon each other: {one} | {other}" for one, other in look["overlaps"])
    yield from (f"torn apart: {word}" for word in look["torn"])


@pytest.mark.parametrize("name", [*KINDS, "hostile", "long words", "every size"])
def test_a_page_has_no_faults(browser: Browser, name: str) -> None:
    """In both themes, in windows of three widths, with everything opened."""
    assert list(faults(browser, pages()[name])) == []


POLICY, IMAGE = f'content="{escape(NOTHING_ELSE)}">', "<img src='https://example.invalid/x'>"

# What is told of the page that agrees once a text in it is another.
WRONG = {
    "too little contrast in the dark theme":
        ("dark, 480 wide: #4d5560ff on #14171bff", "--quiet: #aab3be", "--quiet: #4d5560"),
    "too little contrast in a picture":
        ("light, 375 wide: #f3f4f6ff on #ffffffff", "fill: var(--quiet)", "fill: var(--panel)"),
    "text that one sees through":
        ("wide: #0b6b2ecc on #ffffffff: ", ".good { color: var(--good)", ".good { color: #0b6b2ecc"),
    "one theme alone": ("dark, 480 wide: its ground is #ffffffff", "prefers-color-scheme: dark", "width: 0"),
    "a line without an end":
        (r"light, 375 wide: needs \d+ pixels of 360", "overflow-wrap: anywhere;\n}", "white-space: pre;\n}"),
    "a part that scrolls": ("scrolls: pictures", ".pictures {", ".pictures { overflow: auto; width: 9rem;"),
    "narrow columns": (r"torn apart: \w", "overflow-wrap: break-word", "overflow-wrap: anywhere; max-width: 1ch"),
    "text upon text": (r"upon each other: .* \| ", "dd { margin: 0", "dd { margin: -1rem"),
    "hardly any text": (r"wide: \d texts", "h1, h2, h3 {", "main { display: none; } h1 {"),
    "a part that stays closed":
        ("does not open: Coverage: problems in", "summary {", "summary { pointer-events: none;"),
    "an address that the policy stops": ("an error: .*example.invalid", "</body>", f"{IMAGE}</body>"),
    "an address": ("asks for https://example.invalid/x", POLICY, f">{IMAGE}"),
    "a script": ("an error: .*a script", POLICY, "><script>throw Error('a script')</script>"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_fault_is_seen(browser: Browser, name: str) -> None:
    """By the test above, whose page is otherwise the same."""
    told, right, wrong = WRONG[name]
    page = pages()["agrees"]

    assert page.count(right) == 1
    found = list(faults(browser, page.replace(right, wrong)))
    assert [fault for fault in found if re.search(told, fault)], found
