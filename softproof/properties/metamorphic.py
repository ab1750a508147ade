"""Metamorphic laws: two ways to ask for the same exact numbers. They need no truth, and hold at any size.

Each answer with its bound is an interval that holds the exact value, if the answer is right. A law says how the exact
outputs of some problems combine into those of another one; the same combination of intervals, rounded outwards, must
have a common point with the interval of that one. docs/theory/behaviour.md states the laws and the theorem of the
comparison.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np

from ..bounds.accuracy import Accuracy
from ..bounds.arithmetic import Arithmetic
from ..bounds.models import Model, arithmetic_of, model
from ..candidates.candidate import Candidate, Implementation
from ..problem.checks import LOADED, check_asked
from ..problem.formats import FORMATS
from ..problem.operations import output_shapes, value_shape
from ..problem.problem import Array, Problem, Result
from ..problem.rows import (
    axis_of,
    class_axes,
    exact_denominator,
    from_rows,
    is_labels,
    main_input,
    mixed_weights,
    reduction_of,
    to_rows,
)
from ..problem.slicing import class_axis, class_count, row_axis, row_count, take_classes, take_rows
from ..problem.validation import check_kind, check_name
from ..verdicts.compare import AGREES, DISAGREES, NO_GUARANTEE, NOT_APPLICABLE, Verdict, not_an_answer
from ..verdicts.judgement import check_criteria
from .intervals import Interval, enclosed, joined

Outputs = dict[str, Interval]
Extras = frozenset[str]
Rng = np.random.Generator


@dataclass(frozen=True)
class Identity:
    """The exact outputs of `problem` are what `combine` makes of those of `others`, as far as it names them."""

    problem: Problem
    others: tuple[Problem, ...]
    combine: Callable[..., Outputs]


Law = Callable[[Problem, Extras, Rng], Identity | None]  # None where it does not apply


# ---- shift, order and arrangement -----------------------------------------------------------------------------------


def common_shift(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """f(x + c) = f(x), and logsumexp(x + c) = logsumexp(x) + c, with one c for each row.

    The logits are first rounded to a coarser grid, on which x + c is exact.
    """
    if "logits" not in problem.inputs:
        return None
    fmt, x = FORMATS[problem.dtype], problem.inputs["logits"].astype(np.float64)
    exponent = int(np.frexp(np.max(np.abs(x), where=np.isfinite(x), initial=0.0))[1]) + int(rng.integers(1, 4))
    quantum = max(2.0 ** (exponent + 1 - fmt.precision), fmt.subnormal)
    if exponent + 2 > fmt.e_max:
        return None
    x = np.rint(x / quantum) * quantum
    most = 2 ** (fmt.precision - 2)
    shape = [1 if each in class_axes(problem) else size for each, size in enumerate(x.shape)]
    c = rng.integers(-most, most + 1, shape) * quantum
    here, there = (replace(problem, inputs={**problem.inputs, "logits": each}) for each in (x, x + c))

    def combine(moved: Outputs) -> Outputs:
        if problem.operation != "logsumexp":
            return moved
        return moved | {"value": moved["value"] + Interval.exactly(-c.reshape(value_shape(problem)))}

    return Identity(here, (there,), combine)


def permuted_classes(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """f(x P) = f(x) P, with labels, class weights and the label that is ignored renamed alike."""
    count = class_count(problem)
    if count < 2 or len(class_axes(problem)) > 1:
        return None
    order = rng.permutation(count)
    return Identity(problem, (take_classes(problem, order),), lambda found: _moved(problem, found, order, class_axis))


def permuted_rows(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """f of the rows in another order is f of each row, in that order; sums and means are the same."""
    count = row_count(problem)
    if count < 2:
        return None
    order = rng.permutation(count)
    return Identity(problem, (take_rows(problem, order),), lambda found: _moved(problem, found, order, row_axis))


def _moved(problem: Problem, found: Outputs, order: Array, axis_in: Callable[[Problem, str], int | None]) -> Outputs:
    """Every output back in its place."""
    axes, back = {name: axis_in(problem, name) for name in found}, np.argsort(order)
    return {name: each if (axis := axes[name]) is None else each.take(back, axis) for name, each in found.items()}


def flattened(problem: Problem, extras: Extras, _rng: Rng) -> Identity | None:
    """Any arrangement of rows is a matrix of rows: (N, C, d1, …) is (N d1 …, C)."""
    axis, main = axis_of(problem), main_input(problem)
    if main.ndim < 2 or (main.ndim == 2 and axis in (-1, 1)):
        return None
    inputs = {}
    for name, array in problem.inputs.items():
        of_rows = row_axis(problem, name) is not None or name == "logits"
        whole = of_rows and array.ndim == main.ndim
        inputs[name] = to_rows(array, axis) if whole else array.reshape(-1) if of_rows else array
    upstream, options = problem.grad_output, dict(problem.options)
    if upstream is not None and reduction_of(problem) == "none":
        upstream = to_rows(upstream, axis) if upstream.ndim == main.ndim else upstream.reshape(-1)
    if "dim" in extras or "dim" in options:
        options["dim"] = -1
    flat = Problem(problem.operation, problem.dtype, inputs, options, upstream, problem.layout)

    def combine(found: Outputs) -> Outputs:
        return {name: _unflattened(problem, name, each) for name, each in found.items()}

    return Identity(problem, (flat,), combine)


def _unflattened(problem: Problem, name: str, rows: Interval) -> Interval:
    """An output of the flattened problem in the shape of the problem's own."""
    shape, axis = output_shapes(problem)[name], axis_of(problem)
    if rows.middle.ndim < 2 or len(shape) < 2:
        return rows.reshape(shape)
    return rows.view(lambda array: from_rows(array, shape, axis))


def batch_of_one(problem: Problem, extras: Extras, rng: Rng) -> Identity | None:
    """A row without a batch is a batch of one row."""
    main = main_input(problem)
    if len(class_axes(problem)) != 1 or problem.inputs.get("linear_weight", main).ndim > 2:
        return None
    if main.ndim == 1:
        alone = problem
    elif main.ndim == 2 and row_count(problem) and ("target" not in problem.inputs or "unbatched" in extras):
        alone = _without_batch(take_rows(problem, [rng.integers(row_count(problem))]))
    else:
        return None
    shapes = output_shapes(alone)

    def combine(found: Outputs) -> Outputs:
        return {name: each.reshape(shapes[name]) for name, each in found.items()}

    return Identity(alone, (_with_batch(alone),), combine)


def _without_batch(problem: Problem) -> Problem:
    """One row (1, C) as (C,)."""
    inputs = {name: each if (axis := row_axis(problem, name)) is None else each.squeeze(axis)
              for name, each in problem.inputs.items()}  # fmt: skip
    axis, upstream = row_axis(problem, "grad_output"), problem.grad_output
    upstream = upstream if upstream is None or axis is None else upstream.squeeze(axis)
    return replace(problem, inputs=inputs, options=_over_the_last(problem), grad_output=upstream)


def _with_batch(problem: Problem) -> Problem:
    """One row (C,) as (1, C)."""
    shared = ("weight", "bias", "linear_weight", "linear_bias")
    inputs = {name: each if name in shared else each[None] for name, each in problem.inputs.items()}
    upstream = problem.grad_output
    if upstream is not None and reduction_of(problem) == "none":
        upstream = upstream[None]
    return replace(problem, inputs=inputs, options=_over_the_last(problem), grad_output=upstream)


def _over_the_last(problem: Problem) -> dict[str, Any]:
    """Options with the classes on the last axis."""
    return dict(problem.options) | ({"dim": -1} if "dim" in problem.options else {})


# ---- parts ----------------------------------------------------------------------------------------------------------


def split_batch(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """Rows in two batches: rows one after another, sums added, and means weighted by what each divides by."""
    count = row_count(problem)
    if count < 2:
        return None
    at = int(rng.integers(1, count))
    parts = take_rows(problem, range(at)), take_rows(problem, range(at, count))
    shares, doubt = [1.0, 1.0], 0.0
    if reduction_of(problem) == "mean":
        classes = class_count(problem)
        divisors = [exact_denominator(part, classes) for part in parts]
        if 0 in divisors or mixed_weights(problem):
            return None
        shares, doubt = [float(each / sum(divisors)) for each in divisors], 2.0**-53
        if min(shares) < FORMATS["float64"].tiny:
            return None

    def combine(*found: Outputs) -> Outputs:
        weighted = [
            {name: each.times(share, doubt) for name, each in part.items()} if doubt else part
            for part, share in zip(found, shares, strict=True)
        ]
        return {name: _one(problem, name, [part[name] for part in weighted]) for name in weighted[0]}

    return Identity(problem, parts, combine)


def _one(problem: Problem, name: str, parts: list[Interval]) -> Interval:
    """One output of two batches: rows one after another, or a sum."""
    axis = row_axis(problem, name)
    return reduce(add, parts) if axis is None else joined(parts, axis)


def split_classes(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """logsumexp(x, y) = log(e^logsumexp(x) + e^logsumexp(y))."""
    count = class_count(problem)
    if problem.operation != "logsumexp" or count < 2 or len(class_axes(problem)) > 1:
        return None
    at = int(rng.integers(1, count))
    whole = replace(problem, grad_output=None)
    parts = take_classes(whole, range(at)), take_classes(whole, range(at, count))
    for part in parts:
        if not np.isfinite(part.inputs["logits"].max(axis_of(problem))).all():
            return None
    return Identity(whole, parts, lambda one, two: {"value": one["value"].logaddexp(two["value"])})


def split_features(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """(x, y) (V, W)ᵀ + b = (x Vᵀ + b) + y Wᵀ."""
    if problem.operation != "linear" or main_input(problem).shape[-1] < 2:
        return None
    at = int(rng.integers(1, main_input(problem).shape[-1]))
    halves = slice(None, at), slice(at, None)
    inputs = [{"input": problem.inputs["input"][..., half], "weight": problem.inputs["weight"][:, half]}
              for half in halves]  # fmt: skip
    bias = {name: array for name, array in problem.inputs.items() if name == "bias"}
    parts = replace(problem, inputs=inputs[0] | bias), replace(problem, inputs=inputs[1])

    def combine(one: Outputs, two: Outputs) -> Outputs:
        found = one | {"value": one["value"] + two["value"]}
        return found | {name: joined((one[name], two[name]), -1) for name in found if name in _PRODUCTS}

    return Identity(problem, parts, combine)


_PRODUCTS = ("grad_input", "grad_weight")


# ---- options of a loss, and the upstream gradient -------------------------------------------------------------------


def label_smoothing(problem: Problem, extras: Extras, _rng: Rng) -> Identity | None:
    """L(ε) = (1 - ε) L(0) + ε L(1), and so every gradient."""
    if "label_smoothing" not in extras or not _is_finite(problem):
        return None
    epsilon = problem.options.get("label_smoothing", 0.0)
    epsilon = epsilon if 0 < epsilon < 1 else 0.25
    whole, without, alone = (_with_option(problem, "label_smoothing", each) for each in (epsilon, 0.0, 1.0))

    def combine(zero: Outputs, one: Outputs) -> Outputs:
        return {name: zero[name].times(1 - epsilon) + one[name].times(epsilon) for name in zero}

    return Identity(whole, (without, alone), combine)


def _is_finite(problem: Problem) -> bool:
    return bool(np.isfinite(main_input(problem)).all())


def _with_option(problem: Problem, name: str, value: Any) -> Problem:
    return replace(problem, options={**problem.options, name: value})


def class_weights(problem: Problem, extras: Extras, rng: Rng) -> Identity | None:
    """Class weights times 2^k: sums and losses of rows are 2^k times as large, a mean over labels stays."""
    if "weight" not in extras or "target" not in problem.inputs:
        return None
    fmt, factor = FORMATS[problem.dtype], 2.0 ** int(rng.choice((-2, -1, 1, 2)))
    weight = problem.inputs.get("weight", np.ones(class_count(problem))).astype(np.float64)
    if not fmt.holds(weight * factor).all() or not np.isfinite(fmt.round(weight * factor)).all():
        return None
    here, there = (replace(problem, inputs={**problem.inputs, "weight": each}) for each in (weight, weight * factor))
    scale = 1.0 if reduction_of(problem) == "mean" and is_labels(problem) else 1 / factor
    return Identity(here, (there,), lambda found: {name: each.times(scale, 0.0) for name, each in found.items()})


def ignored_rows(problem: Problem, extras: Extras, rng: Rng) -> Identity | None:
    """A row whose label is ignored is a row that is not there; its loss and its gradient are 0."""
    count = row_count(problem)
    if "ignore_index" not in extras or not count or not is_labels(problem) or problem.inputs["target"].ndim != 1:
        return None
    ignored = problem.options.get("ignore_index", -100)
    target = np.where(rng.random(count) < 0.4, ignored, problem.inputs["target"])
    whole = replace(problem, inputs={**problem.inputs, "target": target})
    rows = np.flatnonzero(target != ignored)

    def combine(found: Outputs) -> Outputs:
        axes = {name: row_axis(whole, name) for name in found}
        return {name: each if (axis := axes[name]) is None else _among_zeros(each, rows, count, axis)
                for name, each in found.items()}  # fmt: skip

    return Identity(whole, (take_rows(whole, rows),), combine)


def _among_zeros(found: Interval, rows: Array, count: int, axis: int) -> Interval:
    """`rows` of an output along `axis` in their places among `count`, of which the others are 0."""

    def put_back(array: Array) -> Array:
        full = np.zeros((*array.shape[:axis], count, *array.shape[axis + 1 :]))
        full[(slice(None),) * axis + (rows,)] = array
        return full

    return found.view(put_back)


def upstream_gradient(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """Gradients are linear in the upstream gradient: g taken apart into two, or a single g times -2."""
    g = problem.grad_output
    if g is None:
        return None
    if g.size != 1:
        if _has_infinite_slopes(problem):
            return None  # which times 0 are not fixed
        first = rng.random(g.shape) < 0.5
        parts = tuple(replace(problem, grad_output=np.where(each, g, 0.0)) for each in (first, ~first))
        return Identity(
            problem, parts, lambda one, two: {name: one[name] + two[name] for name in one if name != "value"}
        )
    twice = -2 * g.astype(np.float64)
    if not FORMATS[problem.dtype].holds(twice).all() or np.abs(twice).max() > FORMATS[problem.dtype].largest:
        return None
    there = replace(problem, grad_output=twice)
    return Identity(
        problem,
        (there,),
        lambda found: {name: each.times(-0.5, 0.0) for name, each in found.items() if name != "value"},
    )


def _has_infinite_slopes(problem: Problem) -> bool:
    """Whether a derivative may be infinite: at a probability of 0, or of a target probability beside a mask."""
    if "p" in problem.inputs:
        return any(bool((each == 0).any()) for each in problem.inputs.values())
    return "target" in problem.inputs and not is_labels(problem) and not _is_finite(problem)


LAWS: dict[str, Law] = {
    "common shift": common_shift,
    "permuted classes": permuted_classes,
    "permuted rows": permuted_rows,
    "flattened": flattened,
    "batch of one": batch_of_one,
    "split batch": split_batch,
    "split classes": split_classes,
    "split features": split_features,
    "label smoothing": label_smoothing,
    "class weights": class_weights,
    "ignored rows": ignored_rows,
    "upstream gradient": upstream_gradient,
}


# ---- the comparison -------------------------------------------------------------------------------------------------


def laws(
    candidate: Implementation,
    problem: Problem,
    *,
    law: str | None = None,
    device: str = "cpu",
    arithmetic: str | Arithmetic | Model | None = None,
    accuracy: str = "C",
) -> Verdict:
    """Ask for the same exact numbers in other ways, and compare the answers with each other; no truth is needed.

    Args:
        candidate: what is judged, as `softproof.load` gives it.
        problem: the question that the laws start from.
        law: one of `softproof.LAWS`; by default all that apply.
        device: where tensors live.
        arithmetic: the model that the bounds are theorems about, as in `softproof.judge`.
        accuracy: the class whose bounds are used, "A" to "C".
    Returns: a `Verdict`; its ratio is the largest distance between two answers in units of both bounds. The outcome is
        *not applicable*, which is not ok, where no law says anything of the problem.
    Raises: ValueError for a law that is not there, or an argument that does not fit.

    >>> import numpy as np, softproof
    >>> late = softproof.load(lambda x, dim: np.exp(x) / np.exp(x).sum(dim, keepdims=True), operation="softmax")
    >>> problem = Problem("softmax", "float64", {"logits": np.linspace(0.0, 2.0, 1000)}, {"dim": -1})
    >>> print(softproof.laws(late, problem))
    agrees: 3 laws hold: common shift, permuted classes, batch of one
    """
    check_kind("candidate", candidate, Candidate, LOADED)
    check_asked(candidate, problem, device, "candidate")
    if law is not None:
        check_name("law", law, LAWS)
    check_criteria(problem, arithmetic, accuracy)
    if accuracy == "D":
        raise ValueError("accuracy D compares with a baseline; laws compare answers with each other, in A, B or C")
    answers = Answers(candidate, asked_of(candidate, problem), device, model(arithmetic), Accuracy(accuracy))
    extras = candidate.supports(problem.operation)
    found = {
        name: compared(name, identity, answers)
        for name in (LAWS if law is None else (law,))
        if (identity := identity_of(name, answers.problem, extras)) is not None
        and all(map(candidate.takes, (identity.problem, *identity.others)))
    }
    if not found:
        words = "no law applies" if law is None else f"{law}: does not apply"
        return Verdict(NOT_APPLICABLE, explanation=words, problem=problem, accuracy=accuracy)
    for outcome in (DISAGREES, NO_GUARANTEE):
        if bad := [verdict for verdict in found.values() if verdict.outcome == outcome]:
            return replace(bad[0], problem=problem)
    ratio = max(verdict.ratio for verdict in found.values())
    words = f"{len(found)} laws hold: {', '.join(found)}" if law is None else f"{law}: holds"
    return Verdict(AGREES, ratio, explanation=words, problem=problem, accuracy=accuracy)


def asked_of(candidate: Implementation, problem: Problem) -> Problem:
    """The problem without a direction, and without its upstream gradient where the candidate has no backward pass."""
    upstream = problem.grad_output if candidate.differentiates(problem.operation) else None
    return replace(problem, grad_output=upstream, tangent=None)


def identity_of(law: str, problem: Problem, extras: Extras) -> Identity | None:
    """What a law says of a problem, if anything; the same for the same problem."""
    return LAWS[law](problem, extras, np.random.default_rng(zlib.crc32(main_input(problem).tobytes())))


@dataclass(frozen=True)
class Answers:
    """Asks a candidate; the answer to `problem` is kept, since most laws start from it."""

    candidate: Implementation
    problem: Problem
    device: str
    model: Model
    accuracy: Accuracy
    known: Result | None = None  # the answer to `problem`, where it has been asked

    def to(self, problem: Problem) -> Result:
        """The answer to a problem."""
        return self._first if problem is self.problem else self.candidate.answer(problem, self.device)

    @cached_property
    def _first(self) -> Result:
        return self.known or self.candidate.answer(self.problem, self.device)

    def enclosed(self, problem: Problem, result: Result) -> Outputs:
        """Intervals around the exact outputs, if the answer is right."""
        return self._first_enclosed if problem is self.problem else self._enclosed(problem, result)

    @cached_property
    def _first_enclosed(self) -> Outputs:
        return self._enclosed(self.problem, self._first)

    def _enclosed(self, problem: Problem, result: Result) -> Outputs:
        return enclosed(problem, result, self.accuracy.arithmetic(arithmetic_of(self.model, problem)))


def compared(law: str, identity: Identity, answers: Answers) -> Verdict:
    """Whether the intervals of both sides meet; their bounds are evaluated where the numbers are not the same."""
    problems, accuracy = (identity.problem, *identity.others), answers.accuracy.letter
    results = [answers.to(problem) for problem in problems]
    for problem, result in zip(problems, results, strict=True):
        if text := not_an_answer(problem, result, answers.device):
            text = f"{law}: {text}; asked {_words(problem, answers.problem)}{_untaken(problem, result)}"
            return Verdict(DISAGREES, np.inf, np.inf, explanation=text, accuracy=accuracy)
    one, *others = map(unbounded, results)
    two = identity.combine(*others)
    if all(same_numbers(one[name].middle, two[name].middle) for name in two):
        return Verdict(AGREES, accuracy=accuracy)
    one, *others = map(answers.enclosed, problems, results)
    two = identity.combine(*others)
    verdicts = [_distance(law, name, one[name], two[name], accuracy) for name in two]
    order = (DISAGREES, NO_GUARANTEE, AGREES)
    found = min(verdicts, key=lambda verdict: (order.index(verdict.outcome), -verdict.ratio))
    if found.outcome != DISAGREES:
        return found
    words = ", and ".join(_words(problem, answers.problem) for problem in problems)
    return replace(found, explanation=f"{found.explanation}; asked {words}")


FEW = 8  # numbers of an array that an explanation quotes


def _words(asked: Problem, given: Problem) -> str:
    """How a question differs from the problem that is shown: by what it has in other values, and what it has not."""
    new, old = _contents(asked), _contents(given)
    other = [name for name in new if name not in old or not same_numbers(new[name], old[name])]
    words = [_quoted(name, new[name]) for name in other] + [f"no {name}" for name in old if name not in new]
    return f"with {', '.join(words)}" if words else "as it is"


def _contents(problem: Problem) -> dict[str, Array]:
    """Everything of a problem that has a value."""
    found = {name: np.asarray(value) for name, value in {**problem.inputs, **problem.options}.items()}
    return found if problem.grad_output is None else found | {"grad_output": problem.grad_output}


def _quoted(name: str, values: Array) -> str:
    return f"{name}={values.tolist()!r}" if values.size <= FEW else f"other {name} of shape {values.shape}"


def _untaken(problem: Problem, result: Result) -> str:
    """What leaves an unbatched loss out, where it raised an error."""
    unbatched = "target" in problem.inputs and main_input(problem).ndim == 1
    return " (--without unbatched, if that is not taken)" if unbatched and result.raised is not None else ""


def unbounded(result: Result) -> Outputs:
    """The answer without its bounds."""
    return {name: Interval.exactly(output.values.astype(np.float64)) for name, output in result.outputs.items()}


def same_numbers(one: Array, two: Array) -> bool:
    """Whether all numbers are equal, NaN to NaN."""
    return one.shape == two.shape and bool(((one == two) | ((one != one) & (two != two))).all())


def _distance(law: str, name: str, one: Interval, two: Interval, accuracy: str) -> Verdict:
    """Two intervals of one output."""
    if one.middle.shape != two.middle.shape:
        raise AssertionError(f"{law}: {name} has shapes {one.middle.shape} and {two.middle.shape}")
    if not one.middle.size:
        return Verdict(AGREES, accuracy=accuracy)
    ratio = one.distance(two)
    if not (ratio <= 1).all():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
        where = f"{name}[{', '.join(map(str, index))}]" if index else name
        text = f"{law}: {where} is {one.middle[index]!s}, and by this law {two.middle[index]!s}"
        reach = one.radius[index] + two.radius[index]
        text += f"; {ratio[index]:.3g} times as far apart as both bounds allow, {reach:.3g}"
        return Verdict(DISAGREES, float(ratio[index]), 0.0, name, index, text, accuracy=accuracy)
    promised = np.isfinite(one.radius + two.radius)
    if not promised.all():
        text = f"{law}: the bounds of {name} promise nothing for {np.count_nonzero(~promised)} of {ratio.size} elements"
        return Verdict(NO_GUARANTEE, float(ratio.max()), explanation=text, accuracy=accuracy)
    return Verdict(AGREES, float(ratio.max()), accuracy=accuracy)
