"""Small questions, each with one thing that not everybody takes: so many dimensions, no rows, an ignored label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..candidates.in_parts import OF_ALL_ROWS
from ..problem.formats import FORMATS
from ..problem.losses import is_labels
from ..problem.operations import LOSS_DEFAULTS, OF_REDUCTIONS, OPERATIONS, labels_in
from ..problem.outputs import value_shape
from ..problem.problem import Array, Problem
from ..problem.rows import main_input
from ..problem.size_limits import ONE_CLASS, is_limit

ROWS, CLASSES, FEATURES, MANY = 2, 3, 4, 9
SIZES = (ROWS, 5, 4, 7, 6)  # of axes that are not the classes: equal sizes would hide that axes are confused


@dataclass(frozen=True)
class Harmless:
    """A question about one `option` of `--without`, or "ndim", in `words`."""

    option: str
    words: str
    problem: Problem


def plain(
    operation: str, dtype: str, supports: Set[str], ndim: int = 2, fixed: Mapping[str, Any] | None = None
) -> Problem | None:
    """The most usual question there is, with so many dimensions; None where the operation has none with as many.

    Options have their `fixed` values, if they have any.
    """
    least, most = {"linear_cross_entropy": (1, 2), "linear": (1, 4), "cross_entropy": (1, 5)}.get(
        operation, (0, 5) if "scalars" in OPERATIONS[operation].kinds else (1, 5)
    )
    about = OPERATIONS[operation]
    dim = (fixed or {}).get("dim", -1) if "dim" in about.options else -1
    if not least <= ndim <= most or not -max(1, ndim) <= dim < max(1, ndim):
        return None
    inputs: dict[str, Any] = _arrays(operation, ndim) | dict.fromkeys(about.constants, np.array(0.5))
    inputs = {name: array for name, array in inputs.items() if name in about.inputs}
    if "target" in inputs and not labels_in(supports):
        inputs["target"] = _shares(inputs["target"].shape, 1 if operation == "cross_entropy" else ndim - 1)
    options: dict[str, Any] = {name: value for name, value in (fixed or {}).items() if name in about.options}
    options |= {"dim": -1} if "dim" in supports else {}
    return with_ones(Problem(operation, dtype, inputs, options))


def with_ones(problem: Problem) -> Problem:
    """The same question with an upstream gradient."""
    return replace(problem, grad_output=np.ones(value_shape(problem)))


def _arrays(operation: str, ndim: int) -> dict[str, Array]:
    """Inputs by name, of small numbers that every format has."""
    layer = operation in ("linear", "linear_cross_entropy")
    place = min(1, ndim - 1) if operation == "cross_entropy" else ndim - 1
    size = FEATURES if layer else CLASSES
    shape = [size if axis == place else SIZES[axis] for axis in range(ndim)]
    x = np.resize([0.0, 0.5, -1.0, 2.0, 0.25], shape)
    p = np.resize([0.5, 0.25, 0.25], shape)
    labels = np.resize([1, 0, 2], [each for axis, each in enumerate(shape) if axis != place])
    weight = np.resize([0.5, -0.25, 1.0, 0.0, 0.75], (CLASSES, FEATURES))
    rows = {"logits": x, "input": x, "p": p, "q": p, "target": labels}
    rows |= {"p_logits": x, "q_logits": np.resize([1.0, 0.25, 0.0, -0.5], shape)}
    return rows | {"weight": weight, "linear_weight": weight, "linear_bias": np.ones(CLASSES)}


def _shares(rows: Sequence[int], axis: int) -> Array:
    """Target probabilities for so many rows, with the classes along an axis: the first of each row is the likeliest."""
    found = np.resize([0.5, 0.25, 0.25], (*rows, CLASSES))
    return np.moveaxis(found, -1, min(axis, len(rows)))


def _may_ignore(usual: Problem, supports: Set[str]) -> bool:
    """Whether a label can be one that is ignored."""
    return "ignore_index" in supports or "ignore_index" in usual.options


def kinds(operation: str, dtype: str, supports: Set[str], usual: Problem) -> Iterator[Harmless]:
    """Questions about the kinds of input and the options that a function may take, each about one alone."""
    many = main_input(usual).ndim > 1
    for option, words, changed in (*_of_shapes(usual), *_of_options(), *_of_losses(usual)):
        possible = option != "negative_weights" or "weight" in supports
        possible &= option not in OF_REDUCTIONS or "reduction" in supports
        possible &= option != "all_ignored" or _may_ignore(usual, supports)
        possible &= option != "ignored_nonfinite" or ("nonfinite" in supports and _may_ignore(usual, supports))
        possible &= option != "several_dims" or "dim" in supports
        possible &= option != "unnormalised" or "target" not in usual.inputs or "probabilities" in supports
        if (
            (option in supports or is_limit(option))
            and possible
            and (many or option not in ("empty", "several_dims", "dim"))
        ):
            yield Harmless(option, words, _but(usual, changed))
    if "scalars" in supports:
        single = {next(iter(usual.inputs)): np.array(0.5)}
        yield Harmless("scalars", "a single number", with_ones(Problem(operation, dtype, single, usual.options)))
    yield Harmless("layouts", "arrays that are not contiguous", replace(usual, layout="strided"))
    if (cube := plain(operation, dtype, supports, 3, usual.options)) is not None:
        yield Harmless("layouts", "transposed arrays of 3 dimensions", replace(cube, layout="transposed"))


def _but(usual: Problem, changed: Mapping[str, Any]) -> Problem:
    """The usual question with other arrays and options."""
    arrays = {name: value for name, value in changed.items() if isinstance(value, np.ndarray)}
    given = {name: value for name, value in changed.items() if name not in arrays}
    problem = replace(usual, grad_output=None)
    return with_ones(replace(problem, inputs={**usual.inputs, **arrays}, options={**usual.options, **given}))


UNNORMALISED = "probabilities that do not sum to 1"
Changed = tuple[str, str, dict[str, Any]]  # the option, in words, and what is changed


def _of_shapes(usual: Problem) -> Iterator[Changed]:
    """No rows, no classes, logits that are not finite."""
    main, x = next(iter(usual.inputs)), main_input(usual)
    if x.ndim:
        given = [name for name in (main, "target", "q", "q_logits") if name in usual.inputs and usual.inputs[name].ndim]
        yield "empty", "no rows", {name: usual.inputs[name][:0] for name in given}
        yield "empty_classes", "rows of no class", {main: x[..., :0]}
    labelled = "target" in usual.inputs
    if usual.inputs.keys() <= {"logits", "target"} and x.ndim and (not labelled or is_labels(usual)):
        one = {main: np.take(x, [0], min(1, x.ndim - 1) if labelled else -1)}
        yield ONE_CLASS, "rows of one class", one | {name: 0 * usual.inputs[name] for name in ("target",) if labelled}
    first = np.arange(x.size).reshape(x.shape) == 0
    yield "masked", "a class that is masked by -inf", {main: np.where(first, -np.inf, x)}
    for words, number in (("logits of +inf", np.inf), ("logits of NaN", np.nan)):
        yield "nonfinite", words, {main: np.full_like(x, number)}


def _of_options() -> Iterator[Changed]:
    """Each with a value that is not its default."""
    yield "several_dims", "several dims", {"dim": (0, 1)}
    yield "dim", "another dim than the last", {"dim": 0}
    yield "keepdim", "keepdim", {"keepdim": True}
    yield "label_smoothing", "label smoothing", {"label_smoothing": 0.125}
    for kind, reduction in OF_REDUCTIONS.items():
        yield kind, f"the reduction {reduction!r}", {"reduction": reduction}
    for name in ("bias", "linear_bias"):
        yield name, "a bias", {name: np.array([0.5, 0.0, -1.0])}


def _of_losses(usual: Problem) -> Iterator[Changed]:
    """What a target may be, and class weights."""
    if "p" in usual.inputs:
        shape = usual.inputs["p"].shape
        yield "zeros", "probabilities of 0", {name: np.resize([0.5, 0.0, 0.5], shape) for name in usual.inputs}
        yield "unnormalised", UNNORMALISED, {name: 2 * x for name, x in usual.inputs.items()}
    if "target" not in usual.inputs:
        return
    labels = usual.inputs["target"]
    yield "weight", "class weights", {"weight": np.array([1.0, 0.5, 2.0])}
    yield "negative_weights", "negative class weights", {"weight": np.array([1.0, -0.5, 2.0])}
    if not is_labels(usual):
        yield "unnormalised", UNNORMALISED, {"target": 2 * labels}
        return
    yield "ignore_index", "a label that is ignored", {"target": np.where(labels == 1, -100, labels)}
    yield "all_ignored", "labels that are all ignored", {"target": np.full_like(labels, ignored_label(usual))}
    if "logits" in usual.inputs:
        x, first = usual.inputs["logits"], np.arange(labels.size).reshape(labels.shape) == 0
        target = np.where(first, ignored_label(usual), labels)
        nan = np.where(np.expand_dims(first, min(1, x.ndim - 1)), x.dtype.type(np.nan), x)
        yield "ignored_nonfinite", "an ignored row of NaN", {"logits": nan, "target": target}
    yield "probabilities", "target probabilities", {"target": _shares(labels.shape, 1)}
    yield "unnormalised", UNNORMALISED, {"target": 2 * _shares(labels.shape, 1)}
    if main_input(usual).ndim == 2:
        wide = np.resize([0.5, -0.25, 1.0, 0.0], (CLASSES, 2, FEATURES))
        yield "k_dimensional", "a weight with positions", {
            "linear_weight": wide, "target": np.resize(labels, (ROWS, 2))}  # fmt: skip


def ignored_label(problem: Problem) -> int:
    """The label that is ignored."""
    return int(problem.options.get("ignore_index", LOSS_DEFAULTS["ignore_index"]))


def labelled(usual: Problem, label: int) -> Problem:
    """The usual question whose first label is this one."""
    target = usual.inputs["target"].copy()
    target.reshape(-1)[:1] = label
    return replace(usual, inputs={**usual.inputs, "target": target})


def with_thirds(problem: Problem) -> Problem:
    """The same with logits, or features, to which nothing can be added without an error."""
    fmt = FORMATS[problem.dtype]
    moved = {name: fmt.round(x.astype(np.float64) / 3 + 0.1) for name, x in problem.inputs.items()
             if name in ("logits", "p_logits", "q_logits", "input")}  # fmt: skip
    return replace(problem, inputs={**problem.inputs, **moved})


def another(problem: Problem, fixed: Mapping[str, Any]) -> Problem:
    """The same kind of question with other numbers and many rows, so that who refuses both refuses the kind.

    Options that are `fixed` stay what they are.
    """
    fmt, many = FORMATS[problem.dtype], with_thirds(problem)
    rows = main_input(problem).shape[: main_input(problem).ndim > 1]
    inputs = {name: np.concatenate([x] * MANY) if rows and name not in OF_ALL_ROWS and x.shape[:1] == rows else x
              for name, x in many.inputs.items()}  # fmt: skip
    if "weight" in inputs and "target" in inputs:
        inputs["weight"] = fmt.round(inputs["weight"].astype(np.float64) * 0.75 + 0.125)
    smooths = problem.options.get("label_smoothing") and "label_smoothing" not in fixed
    options = {**problem.options, **({"label_smoothing": 0.25} if smooths else {})}
    problem = replace(many, inputs=inputs, options=options, grad_output=None)
    return with_ones(problem) if many.grad_output is not None else problem


def apart(problem: Problem) -> Problem:
    """The same with distributions that differ, so that one order of them is right alone."""
    if "q" not in problem.inputs:
        return problem
    return replace(problem, inputs={**problem.inputs, "q": np.resize([0.125, 0.125, 0.75], problem.inputs["q"].shape)})
