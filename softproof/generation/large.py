"""Large problems, part of every run: each dimension in its turn is long, up to more than 16 bits count.

They follow from a seed. Of each dimension there are problems in every range of sizes, and among those in the last are
all options that the operation has. Any three options, or two and a dimension, soon meet: each problem has the options
of which most have not met before, as in combinatorial testing (Cohen, Dalal, Fredman and Patton, The AETG system, IEEE
Transactions on Software Engineering 23(7), 1997). Besides, each dimension is long in the calls that are made most: of a
batch along its last dimension, without options, and with one. Of a loss one problem has every class as a label.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, cycle, pairwise
from typing import Any, overload
from zlib import crc32

import numpy as np

from ..problem.formats import FORMATS
from ..problem.interface import check_dimensions
from ..problem.operations import DIRECTIONAL, OPERATIONS, labels_in, reductions
from ..problem.option_values import check_option
from ..problem.problem import COMMON_LAYOUTS, Problem
from ..problem.validation import check_mapping, check_name, check_names, check_whole
from .large_arrays import ABOVE, ANYWHERE, FINITE, SMOOTH, looks_in_turn
from .large_making import LargePlan, by_rows_first, made, with_every_label
from .long_dimensions import MOST, TOP, size_between, strata

DIMENSIONS = {name: about.long for name, about in OPERATIONS.items()}
TOPS = 3  # problems of each dimension above all limits, and one of a loss where no call of those made most is as long
SHORT, MEDIUM, LONG = 256, 4096, 16384  # below which there are three, two, and maybe two long dimensions
BEYOND = 4096  # from which size on each option is alone, and two are together, in each dimension
BOTH = 1 << 15  # the product of two long dimensions
_OPTIONS = {"weight": ("weight", ""), "label_smoothing": ("", "label_smoothing"), "keepdim": ("", "keepdim"),
            "bias": ("bias", ""), "linear_bias": ("bias", "")}  # fmt: skip
ORDINARY = (SHORT, 4096)  # the least sizes of calls that are made most, besides those above all limits
_USUAL = {"target": "ignored", "reduction": "mean"}  # and what they have
TRIES_ABOVE = 60  # arrangements above all limits, of which the one is taken that has most options alone
TRIES = 20  # choices of options, of which the one is taken where most meet for the first time
Choice = dict[str, str]
Rng = np.random.Generator


class LargeProblems(Sequence[Problem]):
    """Large problems by number, each made when it is asked for."""

    def __init__(self, plans: Sequence[LargePlan]) -> None:
        self.plans = tuple(plans)

    def __len__(self) -> int:
        return len(self.plans)

    @overload
    def __getitem__(self, number: int) -> Problem: ...
    @overload
    def __getitem__(self, number: slice) -> LargeProblems: ...
    def __getitem__(self, number: int | slice) -> Problem | LargeProblems:
        if isinstance(number, slice):
            return LargeProblems(self.plans[number])
        return made(self.plans[number])

    def __iter__(self) -> Iterator[Problem]:  # that of Sequence ends at any IndexError
        return map(made, self.plans)

    def resized(self, number: int, size: int) -> Problem:
        """The problem with that number, and another size of its long dimension."""
        return made(replace(self.plans[number], size=check_whole("size", size, "a whole number above 0", 1)))


def large_problems(
    operation: str,
    dtype: str,
    supports: Iterable[str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    ndim: Collection[int] = (),
    layouts: Sequence[str] = COMMON_LAYOUTS,
) -> LargeProblems:
    """Problems of many rows, positions, classes or features, in ascending order of their sizes.

    Args:
        operation: a key of `softproof.OPERATIONS`.
        dtype: a format, such as ``"float32"``.
        supports: the optional inputs and options that may be asked; by default all.
        fixed: options that have one value, such as ``{"reduction": "none"}``.
        seed: makes them; another seed makes others.
        ndim: how many dimensions the logits, probabilities or features may have; by default any number.
        layouts: the layouts that arrays may have.
    Raises: ValueError for an unknown operation, dtype or option.

    >>> found = large_problems("softmax", "float32", seed=1)
    >>> max(problem.inputs["logits"].size for problem in found) > 2**18
    True
    """
    check_name("operation", operation, OPERATIONS)
    check_name("dtype", dtype, FORMATS)
    for name, value in check_mapping("fixed", {} if fixed is None else fixed, "{'reduction': 'none'}").items():
        check_option(name, value)
    about = OPERATIONS[operation]
    extras = about.extras if supports is None else check_names("supports", supports, "dim")
    ndim = check_dimensions(ndim)
    check_names("layouts", layouts, "strided")
    check_whole("seed", seed, "a whole number")
    known = {name: value for name, value in (fixed or {}).items() if name in about.options}
    plans = _plans(operation, dtype, frozenset(extras), known, int(seed), frozenset(ndim), tuple(layouts))
    return LargeProblems(sorted(plans, key=lambda plan: plan.elements))


# ---- what is asked --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where a problem stands: which dimension is long, in which range, whether that is the last one, and its shape."""

    dimension: str
    number: int
    range: tuple[int, int]
    top: bool
    lead: int
    axis: int
    options: int | None = None  # how many a call has that is made most, None of any other


def _places(operation: str, shapes: Mapping[str, Sequence[tuple[int, int]]], rng: Rng) -> Iterator[_Place]:
    """Of each dimension several in every range of sizes, the more the shorter they are, and TOPS in the last; and those
    of the calls that are made most. Half of them, and all but one of the last, are batches of rows along the last axis,
    for which alone many have a kernel.
    """
    for dimension in DIMENSIONS[operation]:
        own, turn, number = shapes[dimension], int(rng.integers(3)), 0
        tops = TOPS + ((1, 1) not in own and "target" in OPERATIONS[operation].inputs)
        for low, high in strata(dimension) if own else ():
            top = low == TOP[dimension]
            for above in range(tops if top else 1 + (low < MEDIUM) + (low < SHORT)):
                batch = (1, 1) in own and (above > 0 if top else number % 2 == 0)
                others = [each for each in own if top and each[0] != each[1]] or [*own]
                lead, axis = (1, 1) if batch else others[(turn + number // 2) % len(others)]
                yield _Place(dimension, number, (low, high), top, lead, axis)
                number += 1
        ends = (*ORDINARY, TOP[dimension], MOST[dimension])
        for step, (low, high) in enumerate(pairwise(ends) if (1, 1) in own else ()):
            for options in range(1 + step % 2):
                yield _Place(dimension, number, (low, high), False, 1, 1, options)
                number += 1


def _plans(
    operation: str,
    dtype: str,
    extras: frozenset[str],
    fixed: Mapping[str, Any],
    seed: int,
    ndim: frozenset[int],
    layouts: tuple[str, ...],
) -> Iterator[LargePlan]:
    """A problem for each place, with options of which any three meet somewhere."""
    key = (seed % 2**64, crc32(f"{operation} {dtype}".encode()))
    rng = np.random.default_rng(key)
    shapes = {each: _shapes(operation, each, extras, fixed, ndim) for each in DIMENSIONS[operation]}
    places = list(_places(operation, shapes, rng))
    tops, anywhere, finite = (looks_in_turn(rng, *each) for each in (ABOVE, ANYWHERE, FINITE))
    turns = cycle((finite, anywhere))
    for place, chosen in zip(places, _chosen(rng, places, _factors(extras, fixed)), strict=True):
        size = size_between(rng, place.dimension, *place.range)
        few = max(2, BOTH // size // 4) if place.dimension == "classes" else 2  # rows that share out the classes
        other = size_between(rng, place.dimension, few, max(2, BOTH // size)) if "both" in chosen.values() else 0
        has = frozenset(level for name, level in chosen.items() if name != "reduction" and level)
        rows = 2 * len(SMOOTH) if other else 2 if place.lead else 1
        rows = rows if place.dimension == "classes" else 0
        above = place.range[0] >= TOP[place.dimension] or not rows
        looks = tops if above else next(turns)  # a path for finite batches alone is asked as well
        mine = tuple(str(next(looks)) for _ in range(rows))
        own_key = *key, crc32(place.dimension.encode()), place.number
        plan = LargePlan(operation, dtype, place.dimension, size, own_key, has, chosen["reduction"], place.lead,
                         place.axis, mine, other, layouts, dict(fixed), extras)  # fmt: skip
        yield plan
    if "target" in OPERATIONS[operation].inputs and labels_in(extras) and places:
        yield from with_every_label(plan, shapes["classes"], shapes["positions"], finite)


def _factors(extras: frozenset[str], fixed: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What each choice is among; "" is without. The first levels are those of the most problems above all limits."""
    targets = ["", *(["ignored"] if "ignore_index" in {*extras, *fixed} else [])] if labels_in(extras) else []
    targets += ["probabilities"] if "probabilities" in extras else []
    factors = {"target": tuple(targets), "reduction": by_rows_first(reductions(extras)), "strided": ("strided", ""),
             "exact": ("exact", ""), "long": ("", "both")}  # fmt: skip
    for name, levels in _OPTIONS.items():
        factors |= {name: levels} if name in extras else {}
    return factors | ({"tangent": ("", "tangent")} if extras & set(DIRECTIONAL) else {})


def _chosen(rng: Rng, places: Sequence[_Place], factors: Mapping[str, tuple[str, ...]]) -> list[Choice]:
    """A level of each factor for each place: above all limits every level; elsewhere what has not met yet."""
    chosen = {each: _fitting(each, _usual(rng, each.options, factors)) for each in places if each.options is not None}
    for dimension in dict.fromkeys(place.dimension for place in places):
        tops = [place for place in places if place.top and place.dimension == dimension]
        arranged = [list(_every_level(rng, tops, factors)) for _ in range(TRIES_ABOVE)]
        chosen |= dict(zip(tops, max(arranged, key=lambda choices: _alone(tops, choices)), strict=True))
    met = set[tuple[Any, ...]]().union(*(_met(*each) for each in chosen.items()))
    levels = {name: [*dict.fromkeys(each)] for name, each in factors.items()}
    for place in places:
        if place not in chosen:
            drawn = [_fitting(place, {name: str(rng.choice(each)) for name, each in levels.items()})
                     for _ in range(TRIES)]  # fmt: skip
            chosen[place] = max(drawn, key=lambda choice: _new(place, choice, met))
            met |= _met(place, chosen[place])
    return [chosen[place] for place in places]


def _usual(rng: Rng, options: int, factors: Mapping[str, tuple[str, ...]]) -> Choice:
    """The choices of a call that is made most, so many of which are changed."""
    choice = {name: _USUAL.get(name, "") for name in factors}
    choice = {name: level if level in factors[name] else factors[name][0] for name, level in choice.items()}
    choice["exact"] = str(rng.choice(factors["exact"]))
    fixed = {"long", "exact", *(["reduction"] if len(factors["target"]) == 1 else [])}  # which only a loss has
    free = [name for name, levels in factors.items() if len(levels) > 1 and name not in fixed]
    for name in rng.permutation(free)[:options]:
        choice[name] = str(rng.choice([level for level in factors[name] if level != choice[name]]))
    return choice


def _every_level(rng: Rng, tops: Sequence[_Place], factors: Mapping[str, tuple[str, ...]]) -> list[Choice]:
    """Each level of each factor somewhere; labels are ignored where there are rows."""
    columns = {name: rng.permutation([levels[number % len(levels)] for number in range(len(tops))]).tolist()
               for name, levels in factors.items()}  # fmt: skip
    rows = [number for number, place in enumerate(tops) if place.lead]
    if rows and "ignored" in (targets := columns["target"]):
        here, there = targets.index("ignored"), rows[0]
        targets[here], targets[there] = targets[there], targets[here]
    return [_fitting(place, {name: columns[name][number] for name in factors}) for number, place in enumerate(tops)]


def _fitting(place: _Place, choice: Choice) -> Choice:
    """Without what needs rows, where there is one; not long in two dimensions, where one is long enough."""
    if choice["target"] == "ignored" and not place.lead:
        choice |= {"target": ""}
    return choice if place.lead and place.range[1] < LONG else choice | {"long": ""}


def _threes(place: _Place, choice: Choice) -> set[tuple[Any, ...]]:
    """Any three of what meets in a problem."""
    return set(combinations((place.dimension, place.top, place.axis == place.lead, *choice.items()), 3))


def _together(place: _Place, choice: Choice) -> set[tuple[str, ...]]:
    """The one option, or two, that a problem has where kernels take another path, with nothing that hides them."""
    names = sorted(({*_OPTIONS, "probabilities"} - {"bias"}) & {*choice.values()})
    shows = place.range[0] >= BEYOND and (len(names) == 1 or choice["reduction"] != "mean")
    shows &= place.lead == 1 or (place.dimension == "positions" and place.lead > 1)
    return {(place.dimension, *names)} if shows and 0 < len(names) < 3 else set()


def _alone(places: Sequence[_Place], choices: Iterable[Choice]) -> tuple[int, int]:
    """How many options are alone in some problems, and how many are that or two together."""
    together = set[tuple[str, ...]]().union(*map(_together, places, choices))
    return sum(len(each) == 2 for each in together), len(together)


def _pairs(place: _Place, choice: Choice) -> set[tuple[Any, ...]]:
    """Any two choices of a problem that is longer than most."""
    return {(place.dimension, *two) for two in combinations(choice.items(), 2) if place.range[0] >= BEYOND}


def _met(place: _Place, choice: Choice) -> set[tuple[Any, ...]]:
    """All of what meets in a problem."""
    return _together(place, choice) | _pairs(place, choice) | _threes(place, choice)


def _new(place: _Place, choice: Choice, met: set[tuple[Any, ...]]) -> tuple[int, ...]:
    """How many options, pairs where it is long, and threes of anything meet that have not met before."""
    return len(_together(place, choice) - met), len(_pairs(place, choice) - met), len(_threes(place, choice) - met)


def _shapes(
    operation: str, dimension: str, extras: frozenset[str], fixed: Mapping[str, Any], ndim: frozenset[int]
) -> list[tuple[int, int]]:
    """(axes besides the last dimension of a row, where the classes are): the last place, then all others."""
    least, most = {"batch": (1, 3), "positions": (2, 3)}.get(dimension, (0, 2))
    if operation == "linear_cross_entropy":
        least, most = (2, 2) if dimension == "positions" else (least, 1)
        if dimension == "positions" and "k_dimensional" not in extras:
            return []
    if "cross_entropy" in operation and operation != "distribution_cross_entropy" and "unbatched" not in extras:
        least = max(least, 1)
    shapes = []
    for lead in range(most, least - 1, -1):
        axes = [0 if not lead else 1] if operation == "cross_entropy" else [lead]
        if "dim" in extras:
            axes = [(lead - turn) % (lead + 1) for turn in range(lead + 1)]
        if "dim" in fixed:
            axes = [fixed["dim"] % (lead + 1)] if -lead - 1 <= fixed["dim"] <= lead else []
        dimensions = lead + 1 if operation != "linear_cross_entropy" else min(lead, 1) + 1
        shapes += [(lead, axis) for axis in axes if not ndim or dimensions in ndim]
    return shapes
