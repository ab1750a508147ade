"""The page of a report: it needs nothing from elsewhere, no text becomes markup, and it can be read."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from softproof import Report
from softproof.candidates.plain_text import plain
from softproof.cli.commands import main
from softproof.reports.as_html import html

from .helpers.colours import contrast, luminance
from .helpers.pages import Page
from .helpers.reports import HOSTILE, KINDS, reports, with_text

TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "article", "h1", "h2", "h3", "p",
    "a", "span", "div", "table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd", "ul", "li", "pre", "code",
    "details", "summary", "svg", "rect", "path", "text", "figure", "figcaption", "b",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "class", "id", "href", "scope", "role", "aria-label", "viewbox",
    "preserveaspectratio", "width", "height", "open", "d", "x", "y",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_needs_nothing_from_elsewhere(kind: str) -> None:
    """No address but places in itself, no script, and the elements that it is made of; its verdict comes first."""
    report = reports()[kind]
    page = Page(html(report))

    assert {tag for tag, _ in page.elements} <= TAGS
    assert {name for _, attributes in page.elements for name in attributes} <= ATTRIBUTES
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    leads = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    assert len(ids) == len(set(ids))
    assert leads == [f"#row-{number}" for number in range(1, len(report.rows) + 1)]
    assert {each.removeprefix("#") for each in leads} <= set(ids)
    assert not re.search(r"url\(|@import|expression|\\", page.style)
    (policy,) = (each["content"] for _, each in page.elements if "http-equiv" in each)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    heading = "PASSED" if report.ok else "FAILED"
    assert page.said.split("softproof: ")[1].removeprefix("INTERRUPTED, ").startswith(heading)


def test_what_a_page_says() -> None:
    """Verdicts, the error of each output, what was not tested and vacuous, each cause, its witness, and versions."""
    wrong, known = (Page(html(reports()[kind])).said for kind in ("disagrees", "expected failure"))
    (row,) = reports()["disagrees"].rows
    assert row.failure is not None

    assert "✗ DISAGREES" in wrong
    assert f"not tested of softmax: {', '.join(row.asked.unsupported)}, gradients (no backward pass)" in wrong
    assert row.failure.snippet in wrong
    assert str(row.failure.verdict) in wrong
    for line in row.failure.diagnosis.lines:
        assert line[10:].strip() in wrong
    assert "What is wrong" in wrong
    assert "What is wrong" not in known
    assert "✗ DISAGREES (expected failure)" in known
    assert row.failure.snippet in known
    agreeing = html(reports()["agrees"])
    (right,) = reports()["agrees"].rows
    for output, ratio in right.errors.ratios.items():
        assert f'<th scope="row">{output}</th><td><svg' in agreeing
        assert f'width="{100 * ratio:.1f}"' in agreeing
    assert "vacuous here: softmax" in Page(agreeing).said
    assert "python-flint" in agreeing


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_of_others_becomes_markup(kind: str) -> None:
    """Wherever it stands, a page has the same elements as with a harmless word, and nothing that is not seen."""
    report = replace(reports()[kind], expected=())
    hostile, harmless = (html(with_text(report, text)) for text in (HOSTILE, "harmless"))

    assert Page(hostile).structure == Page(harmless).structure
    snippets = Page(harmless).said.count("adapter='harmless'")  # which have it as Python writes it
    assert Page(hostile).said.count(plain(HOSTILE)) == Page(harmless).said.count("harmless") - snippets > 5
    assert {each for each in hostile if not each.isprintable()} == {"\n"}
    assert "<script" not in hostile
    assert "<img" not in hostile


def test_the_test_of_markup_reaches_every_text() -> None:
    """All records that a report holds have texts in them that were changed."""
    changed = with_text(reports()["disagrees"], "harmless")
    (row,) = changed.rows

    assert (row.implementation, row.device, row.asked.hints) == ("harmless", "harmless", ("harmless",))
    assert (row.failure.target, row.failure.verdict.explanation, row.failures[1].source) == ("harmless", "harmless", "")
    assert row.failure.diagnosis.resembles[0].story == row.failure.diagnosis.patterns[0].words == "harmless"
    assert changed.targets[0].target == "harmless"


# ---- what it looks like ---------------------------------------------------------------------------------------------


def themes(style: str) -> list[dict[str, str]]:
    """The colours by their names: the light theme, and the dark one, in which some are others."""
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light, dark = (dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", each)) for each in blocks)
    return [light, {**light, **dark}]


STYLE = Page(html(Report((), 0))).style


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_there_is_contrast_enough(theme: int) -> None:
    """4.5:1 of each colour of text on each ground, and 3:1 of what is drawn on what is behind it."""
    colours = themes(STYLE)[theme]
    text = set(re.findall(r"(?<![-\w])color: var\(--(\w+)\)", STYLE))
    text |= set(re.findall(r" text \{[^}]*fill: var\(--(\w+)\)", STYLE))
    grounds = set(re.findall(r"background: var\(--(\w+)\)", STYLE))
    drawn = set(re.findall(r"(?:fill|stroke): var\(--(\w+)\)", STYLE)) - grounds

    assert text == {"ink", "quiet", "good", "bad"}
    assert grounds == {"ground", "panel"}
    assert drawn == {"good", "bad", "quiet"}
    for ground in grounds:
        assert all(contrast(colours[name], colours[ground]) >= 4.5 for name in text), (ground, colours)
        assert all(contrast(colours[name], colours[ground]) >= 3 for name in drawn), (ground, colours)


def test_both_themes_have_colours_of_their_own() -> None:
    """By what the reader prefers; no colour stands anywhere else, and each theme is dark on light, or light on dark."""
    light, dark = themes(STYLE)

    assert light.keys() == dark.keys()
    assert all(light[name] != dark[name] for name in light)
    assert luminance(light["ground"]) > 0.5 > 0.05 > luminance(dark["ground"])
    assert "@media (prefers-color-scheme: dark)" in STYLE
    assert "color-scheme: light dark" in STYLE
    outside = re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL)
    assert not re.search(r"#[0-9a-f]{3,8}\b|rgb|hsl|transparent|white\b(?!-)|black\b", outside)
    assert set(re.findall(r"(?<![-\w])(?:color|background|fill|stroke): ([^;]+);", outside)) <= {
        f"var(--{name})" for name in light
    }


def test_a_narrow_window_shows_everything() -> None:
    """At 60 columns: long words break, text is never kept on one line, and nothing has a width of its own."""
    assert "overflow-wrap: anywhere" in STYLE
    assert "nowrap" not in STYLE
    assert "white-space: pre-wrap" in STYLE
    assert "@media (max-width: 60ch)" in STYLE
    widths = re.findall(r"(?<![-\w])(?:min-)?width: ([^;]+);", STYLE)
    assert sorted(set(widths)) == ["0", "100%", "11ch", "2rem", "4rem", "9rem", "auto"]
    for tag, attributes in Page(html(reports()["agrees"])).elements:
        assert "width" not in attributes or tag == "rect"
        assert "style" not in attributes


def test_the_command_line_writes_it(tmp_path: Path) -> None:
    """Beside the other files; with the target's own files and their commit."""
    file = tmp_path / "report.html"
    arguments = ["--dtype", "float32", "--examples", "3", "--seed", "5", "--in-process", "--operation", "softmax"]
    arguments.append("--no-diagnosis")
    status = main(["verify", "tests.helpers.reports:raises", *arguments, "--html", str(file)])

    page = Page(file.read_text(encoding="utf-8"))
    assert status == 1
    assert "softproof: FAILED, 0 of 1 rows agree" in page.said
    assert "CANNOT ASK" in page.said
    assert plain(HOSTILE)[:40] in page.said
    assert "tests/helpers/reports.py" in page.said
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>\n<html lang")
