"""From what a large problem asks to the problem: the shape of each array, and its numbers (`large_arrays`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any
from zlib import crc32

import numpy as np

from ..problem.formats import FORMATS, Floats, Format
from ..problem.operations import OPERATIONS, reductions
from ..problem.outputs import value_shape
from ..problem.problem import Array, Problem
from ..problem.rows import from_rows
from . import large_arrays as arrays
from .long_dimensions import TOP
from .masks import run

_LAYERS = ("linear", "linear_cross_entropy")
ROWS, FEW = 64, 1 << 17  # rows of many classes, as long as they are no more numbers than this


@dataclass(frozen=True)
class LargePlan:
    """What a large problem asks, in any size of its long dimension.

    `has` names the options that it has, `lead` how many axes there are besides the classes (or the features), `axis`
    where the classes are among them, `looks` what its rows are like where they are long, and `other` the size of a
    second long dimension, if that is not 0.
    """

    operation: str
    dtype: str
    dimension: str
    size: int
    seed: tuple[int, ...]
    has: frozenset[str]
    reduction: str
    lead: int
    axis: int
    looks: tuple[str, ...]
    other: int
    layouts: tuple[str, ...]
    fixed: Mapping[str, Any]
    supports: frozenset[str]

    @property
    def elements(self) -> int:
        """About how many numbers it has, to ask the smallest first."""
        return self.size * (self.other or (2 if self.dimension == "classes" else 4))


def by_rows_first(among: tuple[str, ...]) -> tuple[str, ...]:
    """Losses of rows in every second place: they show each row in the value."""
    others = [name for name in among if name != "none"]
    return tuple(each for name in others for each in ("none", name)) if "none" in among and others else among


EVERY = (257, 385)  # classes of which each is the label of a row, more than a byte counts


def with_every_label(
    plan: LargePlan, classes: Sequence[tuple[int, int]], positions: Sequence[tuple[int, int]], looks: Iterator[Any]
) -> Iterator[LargePlan]:
    """Of a loss the usual problem with every class as a label, if its classes or its positions may be many.

    `classes` and `positions` have the numbers of axes, and the axis of the classes, where each may be.
    """
    if not classes and not positions:
        return
    seed = *plan.seed[:2], crc32(b"every label")
    size, among = int(np.random.default_rng(seed).integers(*EVERY)), classes or positions
    lead, axis = (1, 1) if (1, 1) in among else among[0]
    yield replace(plan, dimension="classes" if classes else "positions", size=size, other=size, seed=seed,
                  has=frozenset(), reduction=by_rows_first(reductions(plan.supports))[0], lead=lead, axis=axis,
                  looks=(str(next(looks)), str(next(looks))) if classes else ())  # fmt: skip


def made(plan: LargePlan) -> Problem:
    """The problem that a plan asks; the same in every run."""
    rng = np.random.default_rng(plan.seed)
    inputs, options = _of_layer(plan, rng) if plan.operation in _LAYERS else _of_rows(plan, rng)
    options |= plan.fixed
    if "keepdim" in plan.has:
        options["keepdim"] = plan.fixed.get("keepdim", True)
    problem = Problem(plan.operation, plan.dtype, inputs, options)
    shape = value_shape(problem)
    upstream = _upstream(plan, rng, shape)
    tangent = None
    if "tangent" in plan.has:
        tangent = FORMATS[plan.dtype].round(rng.normal(size=problem.inputs["logits"].shape))
    problem = replace(problem, grad_output=upstream, tangent=tangent)
    return replace(problem, layout=_layout(plan, rng, problem)) if "strided" in plan.has else problem


def _layout(plan: LargePlan, rng: np.random.Generator, problem: Problem) -> dict[str, str]:
    """One for each array that is not one element after another."""
    others = [name for name in plan.layouts if name not in ("contiguous", "expanded")]
    names = (*problem.inputs, "grad_output", *(["tangent"] if problem.tangent is not None else []))
    return {name: str(rng.choice(others)) for name in names} if others else {}


def _upstream(plan: LargePlan, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Numbers that differ; of a mean about as large as there are rows, so that half precision keeps its gradients."""
    if shape:
        fmt = FORMATS[plan.dtype]
        scale = _finite(fmt, plan.size) if plan.operation == "linear" else 1.0
        return arrays.numbers(rng, shape, fmt, "exact" in plan.has, scale)
    rows = plan.size if plan.dimension in ("batch", "positions") else 1
    most = min(rows, 4096) if plan.reduction == "mean" else 2
    return np.asarray(2.0 ** np.floor(np.log2(most)) * rng.choice((-0.5, 0.75)))


def _finite(fmt: Format, count: int) -> float:
    """A power of 2, below 1 in float16, so small that no sum of so many products overflows."""
    return float(2.0 ** min(0.0, np.floor(np.log2(fmt.largest / (16 * count)))))


def _sizes(plan: LargePlan, rng: np.random.Generator) -> tuple[tuple[int, ...], int]:
    """The sizes of the axes besides the last, and how many classes there are."""
    few = rng.integers(1, 4, 4)
    if plan.dimension == "classes":
        rows = plan.other or max(len(plan.looks), min(ROWS, FEW // plan.size))
        return ((), (rows,), ((rows, 1), (1, rows))[few[0] % 2])[plan.lead], plan.size
    classes = int(rng.integers(2, 4))
    if plan.dimension == "features":
        return (plan.other or 3, int(few[0]))[: plan.lead], classes
    other, size = 1 + int(few[0]) % 2, plan.size
    lead = {1: (size,), 2: (size, other), 3: (size, 1, 2)}[plan.lead]
    if plan.dimension == "positions":
        lead = (other, size) if plan.lead == 2 else (1, size, 2)
    return lead, plan.other or (2 if plan.lead > 1 else classes)


# ---- logits and distributions ---------------------------------------------------------------------------------------


def _of_rows(plan: LargePlan, rng: np.random.Generator) -> tuple[dict[str, Array], dict[str, Any]]:
    """Inputs and options of what has a row for each sample."""
    lead, classes = _sizes(plan, rng)
    rows, fmt = prod(lead), FORMATS[plan.dtype]
    shape = (*lead[: plan.axis], classes, *lead[plan.axis :])

    def whole(x: Array) -> Array:
        return from_rows(x, shape, plan.axis)

    def drawn(turn: int = 0) -> Floats:
        return _logits(plan, rng, rows, classes, turn)

    names = OPERATIONS[plan.operation].inputs
    if plan.operation == "cross_entropy":
        targets, options = _loss(plan, rng, rows, classes)
        x = drawn()
        if targets["target"].dtype == np.int64:
            if plan.dimension != "classes" and "exact" in plan.has:
                x = arrays.with_losses(rng, x, targets["target"], plan.dimension)
            x = arrays.with_labels(x, targets["target"])
            targets["target"] = _ignoring(plan, rng, targets["target"], options).reshape(lead)
        else:
            x = np.where(np.isneginf(x), -arrays.LIGHT, x)
            targets["target"] = whole(targets["target"])
        return {"logits": whole(fmt.round(x)), **targets}, options
    options = {"dim": plan.axis - (len(shape) if plan.axis == len(lead) else 0)} if "dim" in plan.supports else {}
    if "p" not in names:
        first, *others = (
            drawn(turn) for turn in range(len(names))
        )  # two of a divergence, which is 0 where they are the same
        same = (plan.dimension == "classes") & (rng.random((rows, 1)) < 0.5)
        logits = (first, *(np.where(same, first, x) for x in others))
        return {name: whole(fmt.round(x)) for name, x in zip(names, logits, strict=True)}, options
    found = {name: whole(arrays.distributions(drawn(turn), fmt, fmt.tiny)) for turn, name in enumerate(names) if turn}
    p = drawn()
    if plan.dimension == "classes" and "exact" in plan.has:
        p = arrays.outstanding(p)
    least = (
        fmt.subnormal if plan.dimension == "classes" else fmt.tiny
    )  # of a sum float16's least normal numbers are most
    return {"p": whole(arrays.distributions(p, fmt, least)), **found}, options


def _logits(plan: LargePlan, rng: np.random.Generator, rows: int, classes: int, turn: int = 0) -> Floats:
    """Of the looks that are planned, those of each row in its `turn`, or many rows of few classes: (R, C)."""
    if plan.dimension != "classes":
        return arrays.many_rows(rng, rows, classes)
    looks = [arrays.LOOKS[look] for look in np.roll(plan.looks[: max(2, rows // 4)], turn).tolist()]
    found = np.array([look(rng, classes) for look in looks[:rows]]).reshape(-1, classes)
    found = np.concatenate([found, arrays.shared_out(rng, rows - len(found), classes, FORMATS[plan.dtype])])
    return found if "masked" in plan.supports else arrays.unmasked(found)


def _loss(
    plan: LargePlan, rng: np.random.Generator, rows: int, classes: int
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Labels (R,) or probabilities (R, C), weights, and options."""
    fmt = FORMATS[plan.dtype]
    options: dict[str, Any] = {"reduction": plan.reduction} if "reduction" in plan.supports else {}
    if "label_smoothing" in plan.has:
        options["label_smoothing"] = float(rng.choice((0.1, 0.125, 0.5)))
    if "probabilities" in plan.has:
        inputs = {"target": arrays.distributions(_logits(plan, rng, rows, classes), fmt, fmt.tiny)}
    else:
        inputs = {"target": arrays.labels(rng, rows, classes)}
    if "weight" in plan.has:
        inputs["weight"] = arrays.exact_class_weights(rng, classes)
    return inputs, options


def _ignoring(plan: LargePlan, rng: np.random.Generator, labels: Array, options: dict[str, Any]) -> Array:
    """The labels, some of which are ignored: a run, or all but one, above all limits of all but the usual calls."""
    if "ignored" not in plan.has:
        return labels
    one = not plan.has <= {"ignored", "exact"} and (plan.size >= TOP[plan.dimension] or rng.random() < 0.5)
    one &= plan.fixed.get("ignore_index", -1) < 0
    index = plan.fixed.get("ignore_index", int(rng.choice((-100, -1) if one else (-100, -1, 0, 1))))
    options |= {"ignore_index": index} if index != -100 else {}
    ignored = run(rng, len(labels), "all but one" if one else "")
    if "all_ignored" not in plan.supports and not one:
        ignored &= (np.arange(len(labels)) != len(labels) - 1) | (labels == index)
    return np.where(ignored, index, labels)


# ---- a layer --------------------------------------------------------------------------------------------------------


def _of_layer(plan: LargePlan, rng: np.random.Generator) -> tuple[dict[str, Array], dict[str, Any]]:
    """Inputs and options of a linear layer, or of a classifier."""
    lead, classes = _sizes(plan, rng)
    features = plan.size if plan.dimension == "features" else int(rng.integers(2, 4))
    loss, fmt, exact = plan.operation == "linear_cross_entropy", FORMATS[plan.dtype], "exact" in plan.has
    positions = lead[1:] if loss else ()
    lead = lead[:1] if loss else lead
    axes = {"batch": (0, None), "positions": (len(lead) - 1, 1), "classes": (None, 0), "features": (len(lead), -1)}
    of_x, of_w = axes[plan.dimension]
    of_x = None if positions and plan.dimension == "positions" else of_x
    of_w = of_w if plan.dimension != "positions" or positions else None
    of_w = len(positions) + 1 if of_w == -1 else of_w
    scale = 2.0 ** -np.floor(np.log2(max(1.0, features / 16)) / 2) if loss else _finite(fmt, features)
    x = arrays.factor(rng, (*lead, features), of_x, plan.dimension, fmt, exact)
    w = arrays.factor(rng, (classes, *positions, features), of_w, plan.dimension, fmt, exact, scale)
    if loss and plan.dimension == "classes" and len(lead) and lead[0] > 1:
        x[rng.integers(lead[0])] = 0.0  # whose logits are all alike
    if not loss:
        inputs = {"input": x, "weight": w}
        return inputs | ({"bias": arrays.numbers(rng, (classes,), fmt, exact)} if "bias" in plan.has else {}), {}
    targets, options = _loss(plan, rng, prod(lead) * prod(positions), classes)
    if targets["target"].dtype == np.int64:
        targets["target"] = _ignoring(plan, rng, targets["target"], options).reshape((*lead, *positions))
    else:
        targets["target"] = from_rows(targets["target"], (*lead, classes, *positions), len(lead))
    if "bias" in plan.has:
        targets["linear_bias"] = arrays.numbers(rng, (classes, *positions), fmt, exact)
    order = ("target", "linear_bias", "weight")
    return {"input": x, "linear_weight": w} | {name: targets[name] for name in order if name in targets}, options
