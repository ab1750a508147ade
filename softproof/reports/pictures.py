"""The pictures of a row: how its errors are spread, errors against width and confidence, and a map of coverage.

They are made of `tag`, as everything on the page, and take their colours from report.css. Each tells its numbers in
words, too, for who does not see it, and has a caption that says how to read it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from math import isfinite, log10
from typing import NamedTuple

from .markup import Markup, folded, joined, table, tag
from .row import Point, Row

NO_NUMBER = "–"
EDGES = tuple(tenth / 10 for tenth in range(11))  # of error/bound; what is beyond the last is wrong
LABELS = ("0", *(f".{tenth}" for tenth in range(1, 10)), "1", ">1")  # each up to there
DECADES = (0, 1, 2, *(10**power for power in range(1, 7)))  # of sizes, each up to the next
LEFT, RIGHT, TOP, BASE, HEIGHT = 16, 236, 16, 104, 120  # of a picture: TOP is the bound, or the most problems
STEP = (RIGHT - LEFT) // (len(EDGES) + 1)  # from bar to bar
WIDTHS = {"1": 0.0, "10": 1 / 6, "100": 2 / 6, "1k": 3 / 6, "10k": 4 / 6, "100k": 5 / 6, "1M": 1.0}
SHARES = {"0": 0.0, "0.5": 0.5, "1": 1.0}


class Dot(NamedTuple):
    """A problem in a picture: how far right it is, its error/bound, and what it is told with in words."""

    right: float
    ratio: float
    is_limit: bool
    among: str


def pictures(row: Row) -> Iterator[Markup]:
    """All that can be drawn of a row."""
    points = row.errors.points
    if not points:
        return
    told = f"{len(points)} problems"
    if len(points) < row.coverage.problems:
        told = f"{len(points)} of {row.coverage.problems:,} problems, spread evenly, and the worst"
    yield folded(f"Errors: {told}", tag("div", *_errors(points), class_="pictures"), open_="")
    yield folded(f"Map of coverage: {told}", coverage_map(points), open_="")


def _errors(points: Sequence[Point]) -> Iterator[Markup]:
    """Of each output how its errors are spread, and against width; the worst of each problem against confidence."""
    for name in dict.fromkeys(name for point in points for name in point.ratios):
        of_it = [(point, point.ratios[name]) for point in points if name in point.ratios]
        if measured := [ratio for point, ratio in of_it if not point.is_limit]:
            yield histogram(name, measured)
        dots = [Dot(_of_width(each), ratio, each.is_limit, _from(each.classes)) for each, ratio in of_it]
        yield against(name, "the number of classes", dots, WIDTHS)
    if dots := [
        Dot(each.confidence, each.ratio, each.is_limit, f"from {int(10 * each.confidence) / 10}")
        for each in points
        if each.confidence is not None
    ]:
        yield against("worst output", "the largest probability of the row in which the error is", dots, SHARES)


def _of_width(point: Point) -> float:
    return min(log10(max(1, point.classes)) / 6, 1.0)


def _from(size: int) -> str:
    """The decade of a size.

    >>> _from(1), _from(9), _from(131072)
    ('1', 'from 2', 'from 100,000')
    """
    start = DECADES[bisect_right(DECADES, size) - 1]
    return f"from {start:,}" if start > 1 else f"{start}"


def histogram(name: str, ratios: Sequence[float]) -> Markup:
    """How many problems have which error of an output, in tenths of the bound."""
    counts = Counter(len(EDGES) if not ratio <= 1 else bisect_left(EDGES, ratio) for ratio in ratios)
    drawn, unit = [_axis("axis", BASE)], (BASE - TOP) / max(counts.values())
    for place, label in enumerate(LABELS):
        left, count = LEFT + STEP * place, counts[place]
        top = BASE - max(1.0, unit * count)
        drawn.append(_text(left + STEP / 2, BASE + 11, label))
        if count:
            kind, size = "over" if place == len(EDGES) else "bar", {"width": STEP - 3, "height": f"{BASE - top:.1f}"}
            drawn.append(tag("rect", class_=kind, x=left + 1, y=f"{top:.1f}", **size))
            drawn.append(_text(left + STEP / 2, f"{top - 3:.1f}", count))
    told = ", ".join(f"{count} {_tenth(place)}" for place, count in sorted(counts.items()))
    how = "how many problems have which error/bound: 0, up to 0.1, 0.2, … and 1; more is wrong"
    return _figure(drawn, f"{name}: {told}", f"{name}: {how}.")


def _tenth(place: int) -> str:
    return "with 0" if not place else "above 1" if place == len(EDGES) else f"up to {EDGES[place]}"


def against(name: str, what: str, dots: Sequence[Dot], ticks: dict[str, float]) -> Markup:
    """Error/bound of each problem, up to the dashed line, against something else."""
    drawn = [_axis("axis", BASE), _axis("bound", TOP), _text(6, TOP + 4, 1), _text(6, BASE + 4, 0)]
    drawn += [_text(_right(place), BASE + 11, label) for label, place in ticks.items()]
    paths, among = dict[str, str](), dict[str, list[float]]()
    for dot in sorted(dots):
        kind = "dot over" if not dot.ratio <= 1 else "dot limit" if dot.is_limit else "dot"
        paths[kind] = f"{paths.get(kind, '')}M{_right(dot.right)} {_up(dot.ratio)}h0"
        among.setdefault(dot.among, []).append(dot.ratio)
    drawn += [tag("path", class_=kind, d=path) for kind, path in paths.items()]
    told = ", ".join(f"{those}: {short(_worst(ratios))}" for those, ratios in among.items())
    grey = "; grey: at most that" if "dot limit" in paths else ""
    caption = f"{name}: error/bound of each problem, by {what}. The dashed line is the bound{grey}."
    return _figure(drawn, f"{name}, worst error/bound by {what}; {told}", caption)


def _worst(ratios: Sequence[float]) -> float:
    """The largest, which what is no number counts as."""
    return max(ratios, key=lambda ratio: (not ratio <= 1, ratio))


def _right(share: float) -> str:
    return f"{LEFT + 6 + (RIGHT - LEFT - 12) * share:.0f}"


def _up(ratio: float) -> str:
    return f"{BASE - (BASE - TOP) * ratio:.0f}" if ratio <= 1 else f"{TOP - 8}"


def _axis(kind: str, height: float) -> Markup:
    return tag("path", class_=kind, d=f"M{LEFT} {height}H{RIGHT}")


def _text(x: object, y: object, said: object) -> Markup:
    return tag("text", said, x=x, y=y)


def _figure(drawn: Sequence[Markup], words: str, caption: str) -> Markup:
    svg = tag("svg", *drawn, class_="plot", viewBox=f"0 0 {RIGHT + 4} {HEIGHT}", role="img", aria_label=words)
    return tag("figure", svg, tag("figcaption", caption))


def coverage_map(points: Sequence[Point]) -> Markup:
    """How many problems had which sizes, the worst error of these, and how many were vacuous."""
    across = sorted({point.classes for point in points})
    headers = dict.fromkeys(map(_from, across))
    lines = dict.fromkeys(map(_from, sorted({point.rows for point in points})))
    cells = {(line, header): list[Point]() for line in lines for header in headers}
    for point in points:
        cells[_from(point.rows), _from(point.classes)].append(point)
    body = ((line, *(_cell(cells[line, header]) for header in headers)) for line in lines)
    caption = (
        "Rows of a problem go down, classes across. Of each size: how many problems, a bar and a number for the worst "
        "error/bound (≤: at most that), and in how many an answer that is wrong altogether would have passed: vacuous."
    )
    return tag("figure", table(("rows \\ classes", *headers), *body), tag("figcaption", caption), class_="map")


def _cell(points: Sequence[Point]) -> Markup | str:
    if not points:
        return NO_NUMBER
    measured = [point.ratio for point in points if not point.is_limit]
    worst = _worst(measured or [point.ratio for point in points])
    said = f"{'' if measured else '≤ '}{short(worst)}"
    vacuous = sum(bool(point.passing) for point in points)
    more = [tag("span", f" {vacuous} vacuous", class_="quiet")] if vacuous else []
    return joined(tag("b", len(points)), bar(worst, f"worst error/bound: {said}"), said, *more)


# ---- what else is drawn ---------------------------------------------------------------------------------------------


def bar(part: float, words: str) -> Markup:
    """A bar that is full from 1 on, and of the other colour above 1 or where it is no number."""
    kind, width = ("bar", 100 * part) if part <= 1 else ("over", 100)
    track = tag("rect", class_="track", width="100", height="10")
    filled = tag("rect", class_=kind, width=f"{width:.1f}", height="10")
    return tag("svg", track, filled, viewBox="0 0 100 10", preserveAspectRatio="none", role="img", aria_label=words)


def short(value: float) -> str:
    """With three digits.

    >>> short(0.35914), short(743.25), short(float("inf"))
    ('0.359', '743', '∞')
    """
    if not isfinite(value):
        return "∞" if value > 0 else "NaN"
    return f"{value:.3f}" if 0.001 <= value < 1 or not value else f"{value:.3g}"
