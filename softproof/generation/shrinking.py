"""A problem made smaller step by step, as long as it still fails: what is left is what people look at.

Hypothesis shrinks what was drawn; where that was a seed, the numbers that come of it stay as they are. Here the arrays
themselves become shorter and simpler. No step asks what an implementation may not take: a batch stays a batch, target
probabilities keep their sums, and weights and constants stay above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from ..problem.losses import is_labels
from ..problem.operations import OPERATIONS
from ..problem.problem import Array, Problem
from ..problem.rows import class_axes, class_count
from ..problem.slicing import row_count, take_classes, take_rows

STEPS = 300  # problems that are tried
FEW = 32  # numbers that are tried one by one


def smallest(problem: Problem, fails: Callable[[Problem], bool], steps: int = STEPS) -> Problem:
    """The last problem, each simpler than the one before, that still fails.

    >>> problem = Problem("softmax", "float32", {"logits": [[0.5, 9.0], [1.5, 2.5]]}, {"dim": 1}, layout="strided")
    >>> print(smallest(problem, lambda smaller: smaller.inputs["logits"].max() > 8))
    Problem(
        'softmax', 'float32',
        {'logits': array([[9.0]])},
        {'dim': 1},
    )
    """
    tried = 0
    candidates = simpler(problem)
    while tried < steps and (candidate := next(candidates, None)) is not None:
        tried += 1
        if fails(candidate):
            problem, candidates = candidate, simpler(candidate)
    return problem


def simpler(problem: Problem) -> Iterator[Problem]:
    """Problems that ask a little less, those that leave out most first; each differs from this one."""
    yield from _with_less(problem)
    if problem.tangent is None:
        yield from (take_rows(problem, kept) for kept in _fewer(row_count(problem)))
        yield from (take_classes(problem, kept) for kept in _fewer_classes(problem))
        yield from _with_shorter_axes(problem)
        yield from _with_shorter_batches(problem)
    yield from _with_simpler_numbers(problem)


def _with_less(problem: Problem) -> Iterator[Problem]:
    if problem.layout != "contiguous":
        yield replace(problem, layout="contiguous")
    if problem.tangent is not None:
        yield replace(problem, tangent=None, layout=_layout(problem, "tangent"))
    elif problem.grad_output is not None:
        yield replace(problem, grad_output=None, layout=_layout(problem, "grad_output"))
    for name in OPERATIONS[problem.operation].optional:
        if name in problem.inputs:
            inputs = {each: x for each, x in problem.inputs.items() if each != name}
            yield replace(problem, inputs=inputs, layout=_layout(problem, name))
    for name in ("ignore_index", "label_smoothing"):
        if name in problem.options and not (name == "ignore_index" and _ignores_no_class(problem)):
            yield replace(problem, options={each: x for each, x in problem.options.items() if each != name})


def _ignores_no_class(problem: Problem) -> bool:
    """Whether there is a label that would be invalid if it were not ignored."""
    ignored = problem.options["ignore_index"]
    return not 0 <= ignored < class_count(problem) and bool((problem.inputs["target"] == ignored).any())


def _layout(problem: Problem, name: str) -> str | dict[str, str]:
    """The layout of all arrays but one."""
    layout = problem.layout
    return layout if isinstance(layout, str) else {each: how for each, how in layout.items() if each != name}


def _fewer(count: int) -> Iterator[list[int]]:
    """Half of so many, or all but one."""
    everything, half = list(range(count)), count // 2
    if count > 1:
        yield everything[:half]
        yield everything[half:]
    if 2 < count <= FEW:
        yield from (everything[:one] + everything[one + 1 :] for one in everything)


def _fewer_classes(problem: Problem) -> Iterator[list[int]]:
    """Not without the class of a label, and not of a distribution, which would no longer sum to 1."""
    if _holds_distributions(problem) or len(class_axes(problem)) > 1:
        return
    classes, named = class_count(problem), {problem.options.get("ignore_index", -100)}
    if "target" in problem.inputs:
        named |= set(problem.inputs["target"].reshape(-1).tolist())
    yield from (kept for kept in _fewer(classes) if named.intersection(range(classes)) <= set(kept))


def _with_shorter_axes(problem: Problem) -> Iterator[Problem]:
    """Of several axes of classes, which a logsumexp has, each by itself."""
    name, axes = next(iter(problem.inputs)), class_axes(problem)
    array = problem.inputs[name]
    for axis in axes if len(axes) > 1 else ():
        for kept in _fewer(array.shape[axis]):
            yield replace(problem, inputs={**problem.inputs, name: np.take(array, kept, axis)})


def _with_shorter_batches(problem: Problem) -> Iterator[Problem]:
    """Of the axes of a batch that a layer has behind the first, each by itself."""
    if problem.operation != "linear":
        return
    x, g = problem.inputs["input"], problem.grad_output
    for axis in range(1, x.ndim - 1):
        for kept in _fewer(x.shape[axis]):
            inputs = {**problem.inputs, "input": np.take(x, kept, axis)}
            yield replace(problem, inputs=inputs, grad_output=None if g is None else np.take(g, kept, axis))


def _holds_distributions(problem: Problem) -> bool:
    return "p" in problem.inputs or ("target" in problem.inputs and not is_labels(problem))


def _with_simpler_numbers(problem: Problem) -> Iterator[Problem]:
    for name, array in problem.inputs.items():
        if name in ("p", "q", "target"):
            continue
        weighs = name == "weight" and "target" in problem.inputs
        weighs |= name in OPERATIONS[problem.operation].constants
        candidates = _alike(array, 1.0) if weighs else [*_alike(array, 0.0), np.rint(array)]
        yield from (replace(problem, inputs={**problem.inputs, name: each}) for each in _others(array, candidates))
    if (g := problem.grad_output) is not None:
        yield from (replace(problem, grad_output=each) for each in _others(g, (*_alike(g, 1.0), np.rint(g))))
    if (v := problem.tangent) is not None:
        yield from (replace(problem, tangent=each) for each in _others(v, (*_alike(v, 1.0), np.rint(v))))


def _alike(array: Array, number: float) -> list[Array]:
    """All elements this number; or one of them, where there are few."""
    arrays = [np.full(array.shape, number)]
    for place in np.ndindex(array.shape) if array.size <= FEW else ():
        arrays.append(array.astype(np.float64))
        arrays[-1][place] = number
    return arrays


def _others(array: Array, candidates: Iterable[Array]) -> list[Array]:
    """Those that differ from the array."""
    return [each for each in candidates if not np.array_equal(each, array.astype(np.float64), equal_nan=True)]
