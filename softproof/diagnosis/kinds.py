"""What of a question makes it go wrong, such as what a kernel is not meant to take: without it the answer is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..problem.checks import check
from ..problem.kinds import kinds_of
from ..problem.losses import kept
from ..problem.outputs import value_shape
from ..problem.problem import Array, Problem
from ..problem.rows import axis_of, class_count, from_rows, to_rows
from .interview import Interview, Reply
from .record import Pattern


def _finite(problem: Problem) -> Problem:
    """With 0 in the place of what is no finite logit."""
    logits = problem.inputs["logits"]
    return replace(problem, inputs={**problem.inputs, "logits": np.where(np.isfinite(logits), logits, 0.0)})


def _zero_where_ignored(problem: Problem) -> Problem:
    """With 0 for the logits of rows that do not count."""
    axis, x = axis_of(problem), problem.inputs["logits"]
    rows = np.where(kept(problem)[:, None], to_rows(x, axis), x.dtype.type(0))
    return replace(problem, inputs={**problem.inputs, "logits": from_rows(rows, x.shape, axis)})


def _contiguous(problem: Problem) -> Problem:
    return replace(problem, layout="contiguous")


def _positive(problem: Problem) -> Problem:
    return replace(problem, inputs={**problem.inputs, "weight": np.abs(problem.inputs["weight"])})


def _with_a_row(problem: Problem) -> Problem:
    """With a label for the first row that is not ignored, if need be because no class is."""
    index, classes = problem.options.get("ignore_index", -100), class_count(problem)
    target, options = problem.inputs["target"].copy(), dict(problem.options)
    target.reshape(-1)[0] = 0 if index != 0 else classes - 1
    if index == 0 and classes == 1:
        options.pop("ignore_index")
    return replace(problem, inputs={**problem.inputs, "target": target}, options=options)


def _with_rows(problem: Problem) -> Problem:
    """With one row of zeros where there is none."""
    inputs = {name: np.zeros([max(1, size) for size in each.shape], each.dtype) if 0 in each.shape else each
              for name, each in problem.inputs.items()}  # fmt: skip
    return _with_ones(replace(problem, inputs=inputs, tangent=None))


def _without_zeros(problem: Problem) -> Problem:
    inputs = {name: np.where(each == 0, 0.25, each) if name in ("p", "q") else each
              for name, each in problem.inputs.items()}  # fmt: skip
    return replace(problem, inputs=inputs)


def _normalised(problem: Problem) -> Problem:
    """With the same rows of one probability after the other, that sum to 1."""
    names = [name for name in ("target", "p", "q") if problem.inputs.get(name, np.zeros(0, int)).dtype.kind == "f"]
    inputs = {name: _of_one(problem.inputs[name], name, problem) for name in names}
    return replace(problem, inputs={**problem.inputs, **inputs})


def _of_one(x: Array, name: str, problem: Problem) -> Array:
    """1/2 for the first class of each row, 1/4 for two others, and 0; if there are fewer classes, the rest for one."""
    axis = min(1, x.ndim - 1) if name == "target" else axis_of(problem)
    assert isinstance(axis, int)  # of distributions, which have one
    shares = np.zeros(x.shape[axis])
    first = {0: [], 1: [1.0], 2: [0.5, 0.5]}.get(len(shares), [0.5, 0.25, 0.25])
    shares[: len(first)] = first
    return np.moveaxis(np.broadcast_to(shares, np.moveaxis(x, axis, -1).shape), -1, axis).copy()


def _with_labels(problem: Problem) -> Problem:
    """With the most probable class of each row for its label."""
    target = problem.inputs["target"]
    axis = min(target.ndim - 1, 1)
    labels = target.argmax(axis) if target.shape[axis] else np.zeros(np.delete(target.shape, axis), np.int64)
    return _with_ones(replace(problem, inputs={**problem.inputs, "target": np.asarray(labels, np.int64)}))


def _with_ones(problem: Problem) -> Problem:
    """With an upstream gradient of another shape, if there was one."""
    if problem.grad_output is None or problem.grad_output.shape == value_shape(problem):
        return problem
    return replace(problem, grad_output=np.ones(value_shape(problem)))


def _with_an_axis(problem: Problem) -> Problem:
    """With a row of one number where there is a number alone; its one axis is that of the classes."""
    inputs = {name: np.atleast_1d(each) for name, each in problem.inputs.items()}
    tangent = problem.tangent if problem.tangent is None else np.atleast_1d(problem.tangent)
    return _with_ones(replace(problem, inputs=inputs, tangent=tangent))


def _in_a_batch(problem: Problem) -> Problem:
    """With a batch of the one row."""
    first, labels = next(iter(problem.inputs)), problem.inputs["target"]
    inputs = {**problem.inputs, first: problem.inputs[first][None], "target": labels[None]}
    tangent = problem.tangent if problem.tangent is None else problem.tangent[None]
    return _with_ones(replace(problem, inputs=inputs, tangent=tangent))


def _along_one_axis(problem: Problem) -> Problem:
    """Along the last of several axes."""
    dims = problem.options["dim"]
    return _with_ones(replace(problem, options={**problem.options, "dim": dims[-1] if dims else -1}))


Without = Callable[[Problem], Problem]
KINDS: dict[str, tuple[str, str, Without]] = {  # by what leaves them out: what it is, what is put in its place, and how
    "ignored_nonfinite": ("ignored rows that are not finite", "0 in ignored rows", _zero_where_ignored),
    "masked": ("classes that are masked by -inf", "0 in the place of -inf", _finite),
    "nonfinite": ("logits that are not finite", "finite logits", _finite),
    "all_ignored": ("losses whose rows are all ignored", "a row that counts", _with_a_row),
    "scalars": ("a number alone", "a row of one number", _with_an_axis),
    "empty_classes": ("rows of no class", "a class", _with_rows),
    "several_dims": ("several axes at once", "one axis", _along_one_axis),
    "empty": ("inputs of no rows", "a row", _with_rows),
    "unbatched": ("a row that is not in a batch", "a batch of one row", _in_a_batch),
    "unnormalised": ("probabilities that do not sum to 1", "probabilities that sum to 1", _normalised),
    "probabilities": ("target probabilities", "labels", _with_labels),
    "zeros": ("probabilities of 0", "1/4", _without_zeros),
    "negative_weights": ("negative class weights", "positive class weights", _positive),
    "layouts": ("arrays that are not contiguous", "contiguous arrays", _contiguous),
}


def without_a_kind(interview: Interview, witness: Reply) -> tuple[Pattern, str] | None:
    """That the witness is answered right without one kind of input, and how to leave that out; None where none does."""
    own = kinds_of(witness.problem)
    for kind, (words, instead, change) in KINDS.items():
        if kind in own and _is_right(interview, change(witness.problem)):
            found = Pattern(f"right with {instead}: the same question is answered right then", 0, 0)
            return found, f"if it is not to take {words}, leave them out: --without {kind}"
    return None


ALONE = Pattern("its value is right without a gradient: the same question is answered right then", 0, 0)
FOR_ALONE = (
    "see what its backward pass writes to, such as the value itself, and what its forward pass does otherwise where an "
    "input requires a gradient"
)


def right_alone(interview: Interview, witness: Reply) -> tuple[Pattern, str] | None:
    """That a wrong value is right where no gradient is taken, and what to look at; None elsewhere."""
    if witness.verdict.output != "value" or witness.problem.grad_output is None:
        return None
    alone = replace(witness.problem, grad_output=None, tangent=None)
    return (ALONE, FOR_ALONE) if _is_right(interview, alone) else None


def _is_right(interview: Interview, problem: Problem) -> bool:
    try:
        check(problem)
    except (ValueError, TypeError, IndexError):
        return False
    interview.most = max(interview.most, len(interview.replies) + 1)
    reply = interview.ask(problem)
    return reply is not None and reply.verdict.ok
