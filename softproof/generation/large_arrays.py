"""The numbers of large problems, made so that what is forgotten somewhere is far outside a bound.

Rows of many classes are all alike, or most of the probability is on few of them, or one stands far above the others, or
some are masked; many such rows share out the classes, so that each stands out somewhere. Sums are of small whole
numbers, which no order of summation rounds, or of few numbers that are not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, cycle

import numpy as np

from ..problem.formats import FORMATS, Floats, Format
from ..problem.problem import Array
from .long_dimensions import limits_below, place, standing_out
from .masks import run

FAR = 1000.0  # no exponential of -FAR is a number above 0, in any format
FAINT = -40.0  # so many exponentials of it are no more than one rounding of a sum
BESIDE = 4.0  # one place of FAR in bfloat16
LIGHT = 60.0  # the loss of a row of which the label stands so far above the others is next to nothing
HEAVIEST = 64
LIFT = 3.0  # e^-3 is a loss that is small, and in which no format loses a term
TILE = 2048  # the largest of which the last place stands out


def last_of_tile(size: int) -> int:
    """The last place of a tile of many sizes, or of all places of a few."""
    return max(size // TILE * TILE, size if size < TILE else 1) - 1


def numbers(rng: np.random.Generator, shape: tuple[int, ...], fmt: Format, exact: bool, scale: float = 1.0) -> Floats:
    """Small whole numbers in units of a power of 2, none of them 0, whose sums are exact; or normal ones.

    In half of the cases, and most exact ones, all have one sign: sums grow, and lose what low precision adds to them.
    """
    signs = rng.choice((-1.0, 1.0), shape if rng.random() < (0.25 if exact else 0.5) else ())
    if exact:
        unit = 2.0 ** np.floor(np.log2(scale))
        return np.asarray(unit * rng.integers(1, 4, shape) * signs)
    return fmt.round(scale * np.abs(rng.normal(size=shape)) * signs)


# ---- logits ---------------------------------------------------------------------------------------------------------

Row = Callable[[np.random.Generator, int], Floats]


def _alike(rng: np.random.Generator, size: int) -> Floats:
    return np.full(size, float(rng.integers(-3, 4)))


def _heavy(rng: np.random.Generator, size: int) -> Floats:
    """Most of the probability on few places, and a third of that on the last and the middle."""
    there = standing_out(rng, "classes", size)
    lift = np.rint(np.log(max(1.0, (size - there.sum()) / there.sum()))) + 4
    return np.asarray(outstanding(np.where(there, lift, rng.integers(-1, 2, size))[None])[0])


def _alone(rng: np.random.Generator, size: int) -> Floats:
    """All of the probability on few places, in equal shares, so that the logarithm of the sum is next to 0."""
    there = standing_out(rng, "classes", size, "limits")
    return np.where(there, -np.log(there.sum()), -FAR)


def _left_out(rng: np.random.Generator, size: int) -> Array:
    """A run, or both ends of a row, each less than its half: (C,)."""
    if size < 4 or rng.random() < 0.5:
        return run(rng, size)
    return np.concatenate([run(rng, size // 2, "prefix"), run(rng, size - size // 2, "suffix")])


def _far(rng: np.random.Generator, size: int) -> Floats:
    """One logit far above all others, of which a run is masked; most often the last."""
    return _peak(rng, size, size - 1 if rng.random() < 0.75 else place(rng, "classes", size))


def _middle(rng: np.random.Generator, size: int) -> Floats:
    """Two of them in the middle, which no tile at the ends has."""
    return _peak(rng, size, size // 2, min(size // 2 ^ 1, size - 1))


def _edge(rng: np.random.Generator, size: int) -> Floats:
    """Two of them at ends of tiles of any size, where there are two."""
    return _peak(rng, size, last_of_tile(size), last_of_tile(max(size - TILE, min(size, TILE))))


def _peak(rng: np.random.Generator, size: int, first: int, second: int | None = None) -> Floats:
    """An entropy is 0, of one, and its gradient of two that are equal, whatever is forgotten."""
    x = rng.normal(size=size)
    x[_left_out(rng, size)] = -np.inf
    if second is not None:
        x[second] = FAR - BESIDE
    x[first] = FAR
    return x


def _masked(rng: np.random.Generator, size: int) -> Floats:
    """Normal, where they are not masked."""
    x = np.where(_left_out(rng, size), -np.inf, 2 * rng.normal(size=size))
    x[place(rng, "classes", size)] = 3.0
    return x


def _rising(rng: np.random.Generator, size: int) -> Floats:
    """Steadily up, or down, so that the largest logit so far changes from tile to tile."""
    steps = np.linspace(0.0, rng.choice((8.0, 40.0, 400.0)), size) + rng.normal(0.0, 0.25, size)
    return steps if rng.random() < 0.875 else steps[::-1]


def _finite(look: Row) -> Row:
    """The same without a mask."""
    return lambda rng, size: unmasked(look(rng, size))


def unmasked(x: Floats) -> Floats:
    """A number that adds nothing in the place of each -inf."""
    return np.where(np.isneginf(x), -FAR, x)


PEAK_LOOKS: dict[str, Row] = {"far": _far, "middle": _middle, "edge": _edge}
LOOKS: dict[str, Row] = {
    "alike": _alike, "heavy": _heavy, "alone": _alone, "masked": _masked, "rising": _rising, **PEAK_LOOKS,
    **{f"finite {name}": _finite(look) for name, look in PEAK_LOOKS.items()},
}  # fmt: skip

SMOOTH, PEAKS = ("alike", "heavy", "alone", "masked"), tuple(PEAK_LOOKS)  # which show sums, and the maximum
FINITE = (
    ("rising", *(f"finite {name}" for name in PEAKS)),
    SMOOTH[:3],
)  # without -inf: of two rows one has a look of each
ANYWHERE, ABOVE = (PEAKS, SMOOTH), (SMOOTH, PEAKS)  # ABOVE all limits, where one problem may have a single row


def looks_in_turn(rng: np.random.Generator, *among: tuple[str, ...]) -> Iterator[str]:
    """One of each, again and again, in a random order of each."""
    return chain.from_iterable(zip(*(cycle(rng.permutation(looks)) for looks in among), strict=True))


def in_turn(rng: np.random.Generator, classes: int) -> Array:
    """All classes: the middle, the last and that of a tile first, then those where something may end: (C,)."""
    ends = rng.permutation([classes // 2, classes - 1, last_of_tile(classes)])
    first = list(dict.fromkeys((*ends, *rng.permutation(limits_below("classes", classes)))))
    return np.concatenate([first, rng.permutation(np.delete(np.arange(classes), first))])


def shared_out(rng: np.random.Generator, rows: int, classes: int, fmt: Format) -> Floats:
    """Rows that share out the classes: in every second one class is far above all others; each of the others has equal
    shares of some, no more than leave each of them enough to count: (R, C).
    """
    order, half = in_turn(rng, classes), -(-rows // 2)
    count = int(
        min(0.25 / fmt.u, 0.125 / min(fmt.u, FORMATS["float32"].u) ** 0.5)
    )  # which lose count² roundings of one
    x = rng.normal(size=(rows, classes))
    for row in range(rows):
        if row % 2:
            x[row, order[row // 2 % classes]] = FAR
        else:
            there = order[row // 2 % classes :: half][:count]
            x[row] = -FAR
            x[row, there] = -np.log(len(there))
    return x


def many_rows(rng: np.random.Generator, rows: int, classes: int) -> Floats:
    """Rows of few classes: normal, at several scales, in half of the cases some far above or below others: (R, C)."""
    x = rng.choice((1.0, 4.0, 16.0), (rows, 1)) * rng.normal(size=(rows, classes))
    if rows > 1 and rng.random() < 0.5:
        there = standing_out(rng, "batch", rows)
        x[there] += rng.choice((-FAR, FAR), (int(there.sum()), 1))
    return np.asarray(x)


def with_losses(rng: np.random.Generator, x: Floats, labels: Array, dimension: str) -> Floats:
    """Logits of many rows, whose losses are next to 0 but for some, which are whole numbers: (R, C)."""
    there = standing_out(rng, dimension, len(x))
    logits, index = np.full(x.shape, -LIGHT), np.arange(len(x))
    logits[index, labels] = 0.0
    heavy = index[there]
    logits[heavy, (labels[heavy] + 1) % x.shape[1]] = rng.integers(8, HEAVIEST, len(heavy))
    return logits


def outstanding(logits: Floats) -> Floats:
    """The same, with a sixth of the probability in the last place, and in the middle, of each row: (R, C)."""
    x: Floats = logits - logits.max(-1, keepdims=True)
    x[:, [x.shape[-1] // 2, -1]] = np.log(np.exp(x).sum(-1, keepdims=True) / 4)
    return x


def distributions(logits: Floats, fmt: Format, least: float) -> Floats:
    """Softmax of rows, with nothing below the least number: (R, C)."""
    e = np.exp(np.clip(logits - logits.max(-1, keepdims=True), FAINT, 0.0))
    return np.maximum(fmt.round(e / e.sum(-1, keepdims=True)), least)


# ---- a loss ---------------------------------------------------------------------------------------------------------


def labels(rng: np.random.Generator, rows: int, classes: int) -> Array:
    """Labels anywhere, many of them where a limit is; of many rows each class is one, if there are enough: (R,)."""
    if rows > 64:
        anywhere = rng.integers(0, classes, rows)
        if rows >= classes:
            anywhere[:classes] = rng.permutation(classes)
        return anywhere
    found = [place(rng, "classes", classes) for _ in range(min(rows, 4))]
    likely = np.resize(rng.permutation(limits_below("classes", classes) or [0]), rows - len(found))
    return np.array([*found, *likely], np.int64)


def with_labels(x: Floats, found: Array) -> Floats:
    """Logits of which no label is masked; it is above the others where few have all of the probability: (R, C)."""
    index = np.arange(len(x))
    x[index, found] = np.where(np.isneginf(x[index, found]), 0.0, x[index, found])
    few = (x.min(-1) == -FAR) & (x.max(-1) <= 0)
    x[few, found[few]] = LIFT
    return x


def exact_class_weights(rng: np.random.Generator, classes: int) -> Floats:
    """Powers of 2: (C,)."""
    return np.asarray(2.0 ** rng.integers(-2, 3, classes))


# ---- a layer --------------------------------------------------------------------------------------------------------


def factor(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    axis: int | None,
    dimension: str,
    fmt: Format,
    exact: bool,
    scale: float = 1.0,
) -> Floats:
    """A factor of a matrix product; where it has the long axis it is 0 but for some places, in half of the cases."""
    x = numbers(rng, shape, fmt, exact, scale)
    if axis is not None and shape[axis] > 1 and rng.random() < 0.5:
        there = standing_out(rng, dimension, shape[axis])
        x = np.where(there.reshape([-1 if each == axis else 1 for each in range(len(shape))]), x, 0.0)
    return x
