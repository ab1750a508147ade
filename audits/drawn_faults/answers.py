"""A right answer, and what a drawn fault makes of it; NumPy alone, save for steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from softproof import Candidate, Output, Problem, Result, load
from softproof.problem.formats import FORMATS
from softproof.problem.losses import is_labels, kept
from softproof.problem.outputs import output_shapes
from softproof.problem.problem import Array
from softproof.problem.rows import class_axes, to_rows

from . import steps
from .places import index_along, labels_of, shifted, sizes, within
from .record import LANES, Fault
from .steps import Answer

DIRECTIONAL = ("jvp", "hvp_logits")
OFF = {"float64": 2.0**-20, "float32": 2.0**-10, "float16": 2.0**-3, "bfloat16": 2.0**-2}  # of what is slightly off


@cache
def _manual() -> Candidate:
    return load("manual", adapter="numpy")


def right(problem: Problem) -> Answer:
    """Value and gradients by the steps, none of which is wrong; derivatives in the tangent's direction by `manual`."""
    found = steps.answer(problem)
    if problem.tangent is not None:
        outputs = _manual().answer(problem, "cpu").outputs
        found |= {name: outputs[name].values for name in DIRECTIONAL if name in outputs}
    return found


def asked(fault: Fault, problem: Problem) -> Problem:
    """A tangent is for those faults alone that have to do with one."""
    return problem if fault.output in DIRECTIONAL else replace(problem, tangent=None)


def result(problem: Problem, answer: Answer) -> Result:
    """The answer as a candidate gives it."""
    return Result({name: Output(answer[name], problem.dtype) for name in output_shapes(problem)})


# ---- where a fault is active ----------------------------------------------------------------------------------------


def active(fault: Fault, problem: Problem) -> bool:
    """Whether the problem is large enough, has the option, and the tile that is masked."""
    size = sizes(problem).get(fault.dimension, 0)
    if size <= fault.threshold or not CONDITIONS.get(fault.when, _always)(problem):
        return False
    if fault.output and fault.output not in output_shapes(problem):
        return False
    if fault.kind == "mask":
        return bool(masked_rows(fault, problem).any())
    return bool(within(fault.region, size, fault.threshold, fault.tile).any())


def _always(_problem: Problem) -> bool:
    return True


def _has(name: str) -> Callable[[Problem], bool]:
    return lambda problem: name in problem.inputs


def _reduces(how: str) -> Callable[[Problem], bool]:
    return lambda problem: problem.options.get("reduction", "mean") == how


def _dim_not_last(problem: Problem) -> bool:
    return class_axes(problem) != (next(iter(problem.inputs.values())).ndim - 1,)


CONDITIONS: dict[str, Callable[[Problem], bool]] = {
    "dim not last": _dim_not_last,
    "strided": lambda problem: problem.layout != "contiguous",
    "bias": lambda problem: "bias" in problem.inputs or "linear_bias" in problem.inputs,
    "weight": _has("weight"),
    "label_smoothing": lambda problem: bool(problem.options.get("label_smoothing")),
    "ignored labels": lambda problem: is_labels(problem) and not kept(problem).all(),
    "probabilities": lambda problem: not is_labels(problem),
    **{f"reduction {how}": _reduces(how) for how in ("none", "mean", "sum")},
}


# ---- what it makes of an answer -------------------------------------------------------------------------------------


def wrong(fault: Fault, problem: Problem, answer: Answer) -> Answer:
    """The answer of an implementation that has the fault; the right answer itself where it is not active."""
    if not active(fault, problem):
        return answer
    with np.errstate(all="ignore"):
        found = _WRONG[fault.kind](fault, problem, answer)
        return answer | {name: _held(values, problem.dtype) for name, values in found.items() if name in answer}


def _held(values: Array, dtype: str) -> Array:
    """In the dtype."""
    rounded = FORMATS[dtype].round(values)
    return rounded if dtype == "float64" else rounded.astype(np.float32)


def _of_output(fault: Fault, problem: Problem, answer: Answer) -> Answer:
    values, labels = answer[fault.output], labels_of(problem, fault.output)
    index = index_along(labels, values.shape, fault.dimension)
    if index is None:  # such as a mean, which has no rows any more
        return {}
    size = sizes(problem)[fault.dimension]
    instead: dict[str, Callable[[], Array]] = {
        "forgotten": lambda: np.zeros_like(values),
        "doubled": lambda: 2 * values,
        "neighbour": lambda: shifted(values, labels, fault.dimension, min(fault.tile, size - 1)),
        "NaN": lambda: np.full_like(values, np.nan),
        "slightly off": lambda: values * (1 + OFF[problem.dtype]),
    }
    there = within(fault.region, size, fault.threshold, fault.tile)[index]
    return {fault.output: np.where(there, instead[fault.effect](), values)}


def _of_step(fault: Fault, problem: Problem, _answer: Answer) -> Answer:
    where = within(fault.region, sizes(problem)[fault.dimension], fault.threshold, fault.tile)
    change: dict[str, Callable[[], steps.Change]] = {
        "sum": lambda: steps.spoiling(fault.step, where, fault.effect),
        "precision": lambda: steps.rounding(fault.step, fault.effect),
        "accumulator": lambda: steps.accumulating(fault.step, fault.effect, LANES),
    }
    return steps.answer(problem, change[fault.kind]())


def _of_option(fault: Fault, problem: Problem, answer: Answer) -> Answer:
    """The region is computed without the option."""
    values = answer[fault.output]
    index = index_along(labels_of(problem, fault.output), values.shape, fault.dimension)
    without = steps.answer(without_option(fault.when, replace(problem, tangent=None)))
    size = sizes(problem)[fault.dimension]
    if fault.output not in without:
        return {}
    where = np.ones((), bool) if index is None else within(fault.region, size, fault.threshold, fault.tile)[index]
    return {fault.output: np.where(where, without[fault.output], values)}


def without_option(option: str, problem: Problem) -> Problem:
    """The same question without an option that it has."""
    inputs, options = dict(problem.inputs), dict(problem.options)
    if option == "ignored labels":
        inputs["target"] = np.where(kept(problem).reshape(inputs["target"].shape), inputs["target"], 0)
        options["ignore_index"] = -100
    elif option == "dim not last":
        options["dim"] = -1
    else:
        for name in (option, "linear_bias") if option == "bias" else (option,):
            inputs.pop(name, None)
            options.pop(name, None)
    return replace(problem, inputs=inputs, options=options)


# ---- tiles that are masked as a whole -------------------------------------------------------------------------------


def masked_rows(fault: Fault, problem: Problem) -> Array:
    """In which rows a tile of classes is masked; or, of labels, from which row on a tile is ignored: (R,)."""
    if fault.dimension == "classes":
        x = to_rows(problem.inputs["logits"], class_axes(problem))
        return np.asarray(_runs(np.isneginf(x), fault)[0] & np.isfinite(x).any(-1))
    if not is_labels(problem):
        return np.zeros(1, bool)
    ignored = ~kept(problem)
    if fault.run == "all but one":
        return np.full(len(ignored), np.count_nonzero(~ignored) == 1)
    found, start = _runs(ignored[None], fault)
    return np.asarray((np.arange(len(ignored)) >= start[0]) & found[0] & ~ignored.all())


def _runs(masked: Array, fault: Fault) -> tuple[Array, Array]:
    """Which rows have a masked tile where it has to be, and where the first such begins: both (R,)."""
    rows, size = masked.shape
    count = size // fault.tile
    tiles = np.asarray(masked[:, : count * fault.tile].reshape(rows, count, fault.tile).all(-1))
    if not count:
        return np.zeros(rows, bool), np.zeros(rows, np.int64)
    tiles[:, 1:] &= fault.run != "first"
    if fault.run == "last":
        return np.asarray(masked[:, -fault.tile :].all(-1)), np.full(rows, size - fault.tile)
    return np.asarray(tiles.any(-1)), tiles.argmax(-1) * fault.tile


def _of_mask(fault: Fault, problem: Problem, answer: Answer) -> Answer:
    """From the masked tile on nothing is done; or there is no gradient; or NaN; or its rows count in the mean."""
    hit, found = masked_rows(fault, problem), {}
    for name, values in answer.items():
        gradient = name.startswith("grad_")
        labels = labels_of(problem, name)
        index = index_along(labels, values.shape, "rows")
        place = np.ones((), bool) if index is None else hit[index]
        if fault.effect == "NaN" and (not gradient or fault.dimension == "classes"):
            found[name] = np.where(place, np.nan, values)
        elif fault.effect == "gradient lost" and gradient:
            found[name] = np.zeros_like(values)
        elif fault.effect == "stops" and index is not None:
            found[name] = np.where(place & _behind(fault, problem, labels, values), 0.0, values)
        elif fault.effect == "counted" and problem.options.get("reduction", "mean") == "mean":
            few = int(np.count_nonzero(kept(problem)))
            found[name] = values * (few / (few + fault.tile))
    return found


def _behind(fault: Fault, problem: Problem, labels: str, values: Array) -> Array:
    """Of rows all that were found; of classes those from the masked tile on."""
    if fault.dimension == "rows":
        return np.ones((), bool)
    index, of_rows = (index_along(labels, values.shape, each) for each in ("classes", "rows"))
    if index is None:
        return np.zeros((), bool)
    x = to_rows(problem.inputs["logits"], class_axes(problem))
    start = _runs(np.isneginf(x), fault)[1]
    return np.asarray(index >= (start[0] if of_rows is None else start[of_rows]))


_WRONG: dict[str, Callable[[Fault, Problem, Answer], Answer]] = {
    "output": _of_output,
    "sum": _of_step,
    "precision": _of_step,
    "accumulator": _of_step,
    "option": _of_option,
    "mask": _of_mask,
}
