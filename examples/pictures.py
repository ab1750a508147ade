"""The three pictures of docs/theory/backprop.md, drawn from the article's numbers as `manual` computes them.

Every picture has a white ground of its own, so that it reads the same on a light page and on a dark one. Nothing in the
files depends on the day or the machine: text stays text, and the identifiers of shapes come from a fixed salt.

Run from the repository root: python -m examples.pictures, or make pictures. It needs matplotlib, the extra [pictures].
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

import manual

FOLDER = Path(__file__).parent.parent / "docs" / "theory" / "pictures"
GROUND, INK, FAINT = "#ffffff", "#1f2328", "#59636e"
BLUE, RED = "#0550ae", "#b3261e"
SETTINGS = {
    "svg.hashsalt": "softproof",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.unicode_minus": True,
}

X = np.array([1.0, 2.0, 3.0])  # (D,)
W = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])  # (C, D)
Y = np.array([0.0, 0.0, 1.0])  # (C,)
INDEX = "₁₂₃"


def signed(value: float, digits: int = 3) -> str:
    """A number with a true minus sign, and no sign where it rounds to 0."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _empty(figure: Figure, width: float, height: float) -> Axes:
    """Axes without lines or ticks, over the whole figure, in which one unit is equally long in both directions."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.set_axis_off()
    return axes


# ---- the Jacobian ---------------------------------------------------------------------------------------------------


def shade(value: float, largest: float) -> tuple[str, str]:
    """The colour of a cell, from red over white to blue, and that of a number that reads on it."""
    share = abs(value) / largest
    full = np.array([0x05, 0x50, 0xAE] if value > 0 else [0xB3, 0x26, 0x1E])
    red, green, blue = (round(channel) for channel in 255 + share * (full - 255))
    return f"#{red:02x}{green:02x}{blue:02x}", GROUND if share > 0.75 else INK


def jacobian(figure: Figure) -> None:
    """∂p_i/∂a_k of the article's example as a heat map, with the diagonal in a frame."""
    figure.set_size_inches(6.4, 4.6)
    axes = _empty(figure, 6.4, 4.6)
    values = manual.softmax_jacobian(manual.linear(X, W))  # (C, C)
    for i, k in np.ndindex(values.shape):
        colour, ink = shade(float(values[i, k]), float(np.abs(values).max()))
        left, bottom = 1.2 + 1.2 * k, 2.75 - 1.0 * i
        axes.add_patch(Rectangle((left, bottom), 1.2, 1.0, facecolor=colour, edgecolor=GROUND, linewidth=2))
        axes.text(left + 0.6, bottom + 0.5, signed(float(values[i, k])), color=ink, ha="center", va="center")
    for i in range(3):
        axes.add_patch(Rectangle((1.23 + 1.2 * i, 2.78 - i), 1.14, 0.94, fill=False, edgecolor=INK, linewidth=2))
        axes.text(1.8 + 1.2 * i, 3.9, f"a{INDEX[i]}", ha="center", va="bottom")
        axes.text(1.05, 3.25 - i, f"p{INDEX[i]}", ha="right", va="center")
        axes.text(5.6, 3.25 - i, signed(values[i].sum() + 0.0, 0), ha="center", va="center", color=FAINT)
    axes.text(5.6, 3.9, "sum of row", ha="center", va="bottom", color=FAINT)
    axes.text(3.0, 4.25, "∂p/∂a = diag(p) − p pᵀ", ha="center", va="bottom", weight="bold")
    axes.text(3.0, 0.4, "framed: all that a diagonal-only backward keeps", ha="center", va="center", color=FAINT)


# ---- the paths ------------------------------------------------------------------------------------------------------

Point = tuple[float, float]
WEIGHT, LOSS = (0.6, 3.5), (6.4, 2.3)
LOGITS, PROBABILITIES = ([(x, y) for y in (3.5, 2.3, 1.1)] for x in (2.1, 4.3))


def _node(axes: Axes, at: Point, text: str, colour: str = INK) -> None:
    axes.add_patch(Circle(at, 0.3, facecolor=GROUND, edgecolor=colour, linewidth=1.8, zorder=3))
    axes.text(*at, text, ha="center", va="center", color=colour, zorder=4)


def _arrow(axes: Axes, start: Point, end: Point, number: float | None = None, digits: int = 3) -> None:
    """An arrow from node to node: in blue with its number on it, or in grey where none is given."""
    colour, width = ("#c4cad1", 1.0) if number is None else (BLUE, 2.2)
    style = {"arrowstyle": "-|>", "mutation_scale": 13, "shrinkA": 22, "shrinkB": 22}
    axes.add_patch(
        FancyArrowPatch(start, end, color=colour, linewidth=width, zorder=1 if number is None else 2, **style)
    )
    if number is not None:
        x, y = (0.56 * a + 0.44 * b for a, b in zip(start, end, strict=True))
        ground = {"facecolor": GROUND, "edgecolor": "none", "pad": 1.5}
        axes.text(x, y, signed(number, digits), ha="center", va="center", color=BLUE, bbox=ground, zorder=3)


def _sum(axes: Axes) -> None:
    """The product along each path through p_i, and what they add up to."""
    terms = [manual.weight_gradient_through_one_path(X, W, Y, path)[0, 0] for path in range(3)]
    for i, term in enumerate(terms):
        axes.text(7.1, 3.2 - 0.45 * i, f"through p{INDEX[i]}", ha="left", va="center")
        axes.text(9.2, 3.2 - 0.45 * i, signed(term, 4), ha="right", va="center")
    axes.plot([7.1, 9.2], [2.05, 2.05], color=INK, linewidth=1)
    axes.text(7.1, 1.8, "∂L/∂w₁₁", ha="left", va="center", weight="bold")
    whole = manual.weight_gradient_over_all_paths(X, W, Y)[0, 0]
    axes.text(9.2, 1.8, signed(whole, 4), ha="right", va="center", weight="bold")


def paths(figure: Figure) -> None:
    """How w₁₁ reaches the loss: through a₁ alone, then through every p_i; the product of each path, and their sum."""
    figure.set_size_inches(9.4, 4.2)
    axes = _empty(figure, 9.4, 4.2)
    a = manual.linear(X, W)  # (C,)
    dl_dp = manual.probabilities_gradient(manual.softmax(a), Y)  # (C,)
    dp_da = manual.softmax_jacobian(a)  # (C, C)
    _arrow(axes, WEIGHT, LOGITS[0], X[0], 0)
    for i, probability in enumerate(PROBABILITIES):
        for k, logit in enumerate(LOGITS):
            _arrow(axes, logit, probability, dp_da[i, k] if k == 0 else None)
        _arrow(axes, probability, LOSS, dl_dp[i])
    for i in range(3):
        _node(axes, LOGITS[i], f"a{INDEX[i]}", FAINT if i else INK)
        _node(axes, PROBABILITIES[i], f"p{INDEX[i]}")
    _node(axes, WEIGHT, "w₁₁")
    _node(axes, LOSS, "L")
    _sum(axes)
    for x, label in ((1.35, "∂a/∂w"), (3.2, "∂p/∂a"), (5.35, "∂L/∂p")):
        axes.text(x, 0.35, label, ha="center", va="center", color=FAINT)


# ---- the loss -------------------------------------------------------------------------------------------------------


def confidence(figure: Figure) -> None:
    """−log p, and its derivatives by the label's logit and by p itself, over the probability p of the label."""
    figure.set_size_inches(6.4, 4.4)
    axes = figure.add_axes((0.1, 0.14, 0.86, 0.82))
    p = np.linspace(0.01, 1, 100)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.plot(p, -np.log(p), color=BLUE, linewidth=2.2)
    axes.plot(p, p - 1, color=RED, linewidth=2.2, linestyle=(0, (6, 2)))
    axes.plot(p[20:], -1 / p[20:], color=FAINT, linewidth=1.8, linestyle=(0, (1.5, 1.5)))
    article = manual.softmax(manual.linear(X, W))[2]
    axes.plot([article, article], [article - 1, -np.log(article)], color=INK, linewidth=1, marker="o", markersize=5)
    axes.plot([article - 0.03, article], [0.95, -np.log(article)], color=INK, linewidth=0.8)
    axes.text(0.5, 1.65, f"the article: p = {article:.4f}")
    axes.text(0.5, 1.15, f"loss {-np.log(article):.4f}, gradient {signed(article - 1, 4)}")
    axes.text(0.1, 2.6, "loss  −log p", color=BLUE)
    axes.text(0.03, -0.62, "∂L/∂a = p − 1", color=RED)
    axes.text(0.33, -3.6, "∂L/∂p = −1/p, unbounded as p → 0", color=FAINT)
    axes.set(xlim=(0, 1), ylim=(-4.2, 4.2), xlabel="p, the probability of the label")
    axes.spines[["top", "right"]].set_visible(False)


PICTURES: dict[str, Callable[[Figure], None]] = {"jacobian": jacobian, "paths": paths, "confidence": confidence}


def draw(name: str, path: Path) -> None:
    """Write the picture of that name."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        figure = Figure(facecolor=GROUND)
        PICTURES[name](figure)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to put them (default: %(default)s)")
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        draw(name, folder / f"{name}.svg")
        print(folder / f"{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
