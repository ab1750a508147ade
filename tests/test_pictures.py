"""The pictures of docs/theory/backprop.md are what the program draws, readable on any page, and true."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import manual

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "theory" / "backprop.md"
PICTURES = sorted((PAGE.parent / "pictures").glob("*.svg"))
READABLE = 4.5  # the contrast that text needs: Web Content Accessibility Guidelines 2.2, criterion 1.4.3
SMALL = 20_000  # bytes
SVG = "{http://www.w3.org/2000/svg}"


def _luminance(colour: str) -> float:
    """Of #rrggbb, as the guidelines define it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Between two colours, from 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _fill(element: ET.Element) -> str:
    found = re.search(r"fill: (#\w{6}|none)", element.get("style", ""))
    return found[1] if found else ""


def _texts(svg: str) -> list[tuple[str, str, str]]:
    """Every text, its colour, and that of the last rectangle drawn under it, "" if there is none."""
    texts, rectangles = [], []
    for element in ET.fromstring(svg).iter():
        if element.tag == f"{SVG}path" and _fill(element).startswith("#"):
            x, y = np.array(re.findall(r"-?[\d.]+", element.get("d", "")), float).reshape(-1, 2).T
            rectangles.append((x.min(), x.max(), y.min(), y.max(), _fill(element)))
        if element.tag == f"{SVG}text":
            at = [float(element.get(axis, "nan")) for axis in "xy"]
            under = [
                colour for left, right, top, end, colour in rectangles if left <= at[0] <= right and top <= at[1] <= end
            ]
            texts.append((element.text or "", _fill(element), under[-1] if under else ""))
    return texts


def unreadable(svg: str) -> list[str]:
    """The texts that are hard to read on a light page or a dark one: with little contrast, or with no ground below."""
    return [text for text, ink, ground in _texts(svg) if not (ground and contrast(ink, ground) >= READABLE)]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_every_text_is_readable(path: Path) -> None:
    """On a ground that the picture brings along, so that the page's theme does not matter."""
    svg = path.read_text()

    assert len(_texts(svg)) > 5
    assert unreadable(svg) == []


@pytest.mark.parametrize(
    ("ground", "ink"),
    [("", "#000000"), ("fill: none", "#000000"), ("fill: #ffffff", "#999999"), ("fill: #0550ae", "#1f2328")],
)
def test_the_test_of_contrast_can_fail(ground: str, ink: str) -> None:
    """By no ground, one without a colour, pale grey on white, and black on blue."""
    path = '<path d="M 0 9 L 9 9 L 9 0 L 0 0 z" style="{}"/>'
    svg = '<svg xmlns="http://www.w3.org/2000/svg">{}<text style="fill: {}" x="5" y="5">loss</text></svg>'

    assert unreadable(svg.format(path.format("fill: #ffffff"), "#000000")) == []
    assert unreadable(svg.format(path.format(ground), ink)) == ["loss"]


def test_the_page_describes_every_picture() -> None:
    """In words that stand for it, with its numbers."""
    described = {place: text for text, place in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", PAGE.read_text())}

    assert {PAGE.parent / place for place in described} == set(PICTURES)
    for text in described.values():
        assert len(text.split()) > 30
        assert re.search(r"0\.\d{3}", text)


def test_the_heat_map_holds_the_jacobian() -> None:
    """Row by row, to three digits."""
    weight = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])
    jacobian = manual.softmax_jacobian(manual.linear(np.array([1.0, 2.0, 3.0]), weight))

    texts = [text.replace("−", "-") for text, _, _ in _texts((PAGE.parent / "pictures" / "jacobian.svg").read_text())]

    assert [text for text in texts if re.fullmatch(r"-?0\.\d{3}", text)] == [f"{each:.3f}" for each in jacobian.flat]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_small_and_has_no_date(path: Path) -> None:
    """Nor a version: it changes when what it shows does."""
    svg = path.read_text()

    assert len(svg) < SMALL
    assert "dc:date" not in svg
    assert "Matplotlib v" not in svg


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_the_program_draws_what_is_committed(path: Path, tmp_path: Path) -> None:
    """Byte for byte, by the version of matplotlib that constraints.txt names."""
    matplotlib = pytest.importorskip("matplotlib", reason="pictures need the extra [pictures]")
    pinned = re.search(r"^matplotlib==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    if matplotlib.__version__ != pinned[1]:
        pytest.skip(f"matplotlib is {matplotlib.__version__}; the pictures are drawn by {pinned[1]}")
    from examples import pictures

    assert set(pictures.PICTURES) == {each.stem for each in PICTURES}
    pictures.draw(path.stem, tmp_path / path.name)

    assert (tmp_path / path.name).read_text() == path.read_text()
