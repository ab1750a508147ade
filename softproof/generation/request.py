"""What is asked of the strategies, and the sizes that they choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..problem.formats import Floats
from ..problem.operations import DIRECTIONAL, OPERATIONS
from ..problem.problem import Array, Problem
from ..problem.rows import Axis
from .drawn_arrays import factors, logit_arrays, upstream_gradients
from .masks import CHUNKS
from .steering import Settings

# around vectors, warps, tiles and blocks; the fewer, the wider
WIDTHS = ((1, 2, 3), (4, 5, 7, 8, 9), (15, 16, 17), (31, 32, 33), (64, 65, 127, 129), (255, 257, 513, 780, 1025))
ROWS = (1, 2, 3, 5, 8, 9, 0, 4, 7, 12)
SOME = (1, 2, 3)  # rows, where no rows are wanted and none may be asked
MOST = 1 << 15  # elements of what is drawn; `large_problems` have more
DIMENSIONS = {name: tuple(range("scalars" not in about.kinds, 6)) for name, about in OPERATIONS.items()}
DIMENSIONS |= {"linear": (1, 2, 3, 4), "linear_cross_entropy": (1, 2)}


@dataclass(frozen=True)
class Request:
    """What is asked for; every strategy below takes one."""

    operation: str
    dtype: str
    extras: frozenset[str]
    small: bool
    known_layouts: tuple[str, ...]
    fixed: dict[str, Any]
    ndim: frozenset[int]
    settings: Settings = field(default_factory=dict)

    def pick(self, draw: st.DrawFn, name: str, may: Sequence[Any]) -> Any:
        """What is set by that name, if it is one of what may be; else one of these, drawn."""
        return self.settings[name] if self.settings.get(name) in may else draw(st.sampled_from(may))

    def happens(self, draw: st.DrawFn, name: str, most: int) -> bool:
        """Whether something happens, as is set by that name, or as one of the numbers up to `most` is drawn."""
        return bool(self.settings[name]) if name in self.settings else draw(st.integers(0, most)) == most

    def may_have(self, dimensions: int) -> bool:
        """Whether the array of rows may have so many dimensions: all may, or those that are named and have the axis."""
        if not dimensions and "scalars" not in self.extras:
            return False
        dim, most = self.fixed.get("dim", -1), max(1, dimensions)
        return -most <= dim < most and (not self.ndim or dimensions in self.ndim)

    def others(self, draw: st.DrawFn, sizes: st.SearchStrategy[int], most: int) -> list[int]:
        """The sizes of dimensions besides one, up to `most` of them, or as many as are set."""
        if "others" in self.settings and self.may_have(1 + self.settings["others"]):
            return [draw(sizes) for _ in range(self.settings["others"])]
        if not self.ndim and "dim" not in self.fixed:
            return draw(st.lists(sizes, max_size=most))
        counts = [count for count in range(4) if self.may_have(count + 1)]
        count = draw(st.sampled_from([count for count in counts if count <= most] or counts[:1]))
        return draw(st.lists(sizes, min_size=count, max_size=count))

    def widths(self, most: int = 1025) -> st.SearchStrategy[int]:
        """One of the sizes of a row up to `most`."""
        if max(self.settings.get("widths", ()), default=most + 1) <= most:
            return st.sampled_from(self.settings["widths"])
        return _widths(WIDTHS[:1] if self.small else WIDTHS, most)

    def rows(self, *others: int, chunks: bool = False) -> st.SearchStrategy[int]:
        """A number of rows; sometimes that of another dimension, so that mistaking one for the other fits."""
        counts = (*ROWS, *(other for other in others if other < 40), *(CHUNKS if chunks else ()))
        if self.small:
            counts = (1, 2, 0, *others)
        elif max(others, default=0) > 200:
            counts = (1, 2, 3, 0)
        counts = self.settings.get("rows", counts)
        return st.sampled_from(tuple(count for count in counts if count or "empty" in self.extras) or SOME)

    def positions(self, draw: st.DrawFn, classes: int) -> tuple[int, ...]:
        """In a quarter of the problems what a classifier has a weight for each of, one or two dimensions of them."""
        if "k_dimensional" not in self.extras or draw(st.integers(0, 3)) < 3:
            return ()
        few = min(classes, 9)  # as many as classes, so that mistaking one for the other fits
        sizes = st.sampled_from([size for size in (2, few, 3, few, 1, 0) if size or "empty" in self.extras])
        return tuple(draw(st.lists(sizes, min_size=1, max_size=2)))

    def wide(self, draw: st.DrawFn, most: int = 640) -> int:
        """A size above 17 from a log-uniform distribution, or beside a power of two, where tiles end."""
        if draw(st.booleans()):
            return (1 << draw(st.integers(5, int(np.log2(most))))) + draw(st.integers(-1, 1))
        return int(2.0 ** draw(st.floats(np.log2(18), np.log2(most))))

    def square(self, draw: st.DrawFn, classes: int) -> bool:
        """Whether there are to be as many rows as classes, in a sixth of the problems, with labels for each."""
        return classes < 40 and self.happens(draw, "square", 5)

    def strange(self, draw: st.DrawFn) -> bool:
        """Whether a row that is not finite is to be planted, in a third of the problems."""
        return "nonfinite" in self.extras and self.happens(draw, "strange", 2)

    def rare(self, draw: st.DrawFn) -> str:
        """In a twelfth of the problems each "scalars", a number alone, or "empty_classes", rows of no class."""
        if not any(self.may_have(count) for count in range(1, 5)):
            return "scalars"
        kind = "" if self.small else self.pick(draw, "rare", ("",) * 10 + ("scalars", "empty_classes"))
        may = {"scalars": self.may_have(0), "empty_classes": {"empty", "empty_classes"} <= self.extras}
        return kind if may.get(kind) else ""

    def merged(self, draw: st.DrawFn, shape: tuple[int, ...], dim: int) -> int | tuple[int, ...]:
        """One axis in place of `dim`, or in a third of the problems some of them, where a sum may go over several."""
        if not {"dim", "several_dims"} <= self.extras or not self.happens(draw, "several", 2):
            return dim
        may = [axis for axis in range(len(shape)) if shape[axis] and axis != dim % len(shape)]
        others = draw(st.lists(st.sampled_from(may), unique=True)) if may else []
        signs = [draw(st.booleans()) for _ in others]
        return tuple(draw(st.permutations(
            [dim, *(axis - len(shape) if sign else axis for axis, sign in zip(others, signs, strict=True))]
        )))  # fmt: skip

    def shapes(self, draw: st.DrawFn) -> tuple[tuple[int, ...], int]:
        """A shape of one to four dimensions and one of its axes, which has at least one element."""
        width = draw(self.widths())
        others = few(width, self.others(draw, self.rows(width), 1 if self.small or width > 200 else 3))
        dim = self.fixed.get("dim", -1)
        dim = draw(st.integers(-len(others) - 1, len(others))) if "dim" in self.extras else dim
        others.insert(dim if dim >= 0 else len(others) + 1 + dim, width)
        return tuple(others), dim

    def dim_option(self, dim: Axis) -> dict[str, Any]:
        """`dim` among the options, where it is one."""
        return {"dim": dim} if "dim" in self.extras or "dim" in self.fixed else {}

    def batches(self) -> tuple[str, ...]:
        """How the rows of logits are arranged."""
        kinds = ("batch", "batch", "batch", "spatial", "spatial", "unbatched")
        allowed = {
            "batch": self.may_have(2),
            "spatial": self.may_have(3) or self.may_have(4),
            "unbatched": self.may_have(1) and "unbatched" in self.extras,
        }
        return tuple(kind for kind in kinds if allowed[kind])

    def problem(
        self,
        draw: st.DrawFn,
        inputs: dict[str, Array],
        options: dict[str, Any],
        upstream: Floats | None,
        tangent: Floats | None = None,
    ) -> Problem:
        """The problem, with a layout for each array in four fifths of all cases.

        An array that is to be expanded becomes one row over and over, save logits and distributions of a single row.
        """
        vectors = {"grad_output": upstream, "tangent": tangent}
        arrays = inputs | {name: array for name, array in vectors.items() if array is not None}
        layout = {}
        name, order = self.settings.get("layout", ("", ""))
        if name in arrays and order in self.known_layouts:
            layout = {name: order}
        elif "contiguous" not in self.settings and draw(st.integers(0, 4)):
            telling = ("expanded", "strided", "expanded", "strided")  # which autograd, and few others, hand back
            more = {"grad_output": tuple(name for name in telling if name in self.known_layouts)}
            layout = {name: draw(st.sampled_from(self.known_layouts + more.get(name, ()))) for name in arrays}
        if "all_ignored" not in self.extras and _ignores_the_first(inputs, options):
            layout.pop("target", None)  # one row over and over would be all there is
        if "ignored_nonfinite" not in self.extras and not np.isfinite(inputs.get("logits", 0.0)).all():
            layout = {name: each for name, each in layout.items() if name not in ("logits", "target")}
        expanded = {
            name: _repeated(array, self.axes(name, array, options))
            for name, array in arrays.items()
            if layout.get(name) == "expanded" and name != "tangent"
        }
        inputs = {name: expanded.get(name, array) for name, array in inputs.items()}
        upstream, tangent = expanded.get("grad_output", upstream), expanded.get("tangent", tangent)
        return Problem(self.operation, self.dtype, inputs, options, upstream, layout, tangent)

    def logits(self, draw: st.DrawFn, shape: tuple[int, ...], axis: int) -> Floats:
        """Of a shape, with rows along an axis."""
        finite = self.operation == "cross_entropy"  # of losses that overflow a class weight may make numbers again
        masks = self.settings.get("masks", "")
        if "masked" not in self.extras and (finite or masks != "lowest"):
            masks = "none"
        return logit_arrays(draw, shape, self.dtype, axis=axis, small=self.small, finite=finite, masks=masks)

    def axes(self, name: str, array: Array, options: dict[str, Any]) -> tuple[int, ...]:
        """The axes along which an array holds a distribution, or its logits, if it does."""
        if name not in ("p", "q", "target", "logits", "p_logits", "q_logits") or array.dtype.kind == "i":
            return ()
        if "cross_entropy" in self.operation and name in ("target", "logits"):
            return (min(array.ndim - 1, 1),)
        dim = options.get("dim", -1)
        return tuple(int(each) % max(1, array.ndim) for each in (dim if isinstance(dim, tuple) else (dim,)))

    def upstream(self, draw: st.DrawFn, shape: tuple[int, ...]) -> Floats:
        """An upstream gradient."""
        style = self.settings.get("upstream", "")
        return upstream_gradients(draw, shape, self.dtype, small=self.small, style=style)

    def tangents(self, draw: st.DrawFn, shape: tuple[int, ...]) -> Floats | None:
        """A direction of the logits in half of the problems, where somebody has derivatives in a direction."""
        if not self.extras & set(DIRECTIONAL) or not draw(st.booleans()):
            return None
        return self.factors(draw, shape)  # which differ, since along a constant nothing changes

    def factors(self, draw: st.DrawFn, shape: tuple[int, ...]) -> Floats:
        """A factor of a matrix product."""
        return factors(draw, shape, self.dtype, small=self.small, kind=self.settings.get("factors", ""))


@cache
def _widths(kinds: tuple[tuple[int, ...], ...], most: int) -> st.SearchStrategy[int]:
    """One of the sizes up to `most`; a kind is as likely as another."""
    return st.one_of([st.sampled_from(kind) for kind in kinds if kind[-1] <= most])


def _ignores_the_first(inputs: dict[str, Array], options: dict[str, Any]) -> bool:
    """Whether a label that is expanded may be one that is ignored."""
    target = inputs.get("target")
    return target is not None and target.dtype.kind == "i" and bool((target == options.get("ignore_index", -100)).any())


def _repeated(array: Array, kept: tuple[int, ...]) -> Array:
    """One slice of the array over and over, along the first axis that is not to be `kept`."""
    axis = next((axis for axis in range(array.ndim) if axis not in kept), None)
    return array if axis is None or not array.size else np.broadcast_to(array.take([0], axis), array.shape)


def few(width: int, sizes: Sequence[int]) -> list[int]:
    """Sizes beside a width, the last of them at most 2 where there would be too many elements.

    >>> few(33, [33, 33, 33])
    [33, 2, 2]
    """
    fewer = list(sizes)
    for place in reversed(range(len(fewer))):
        if width * prod(fewer) > MOST:
            fewer[place] = min(fewer[place], 2)
    return fewer
