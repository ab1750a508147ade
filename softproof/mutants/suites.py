"""What the test suites of other projects ask, rebuilt: their inputs, upstream gradients and tolerances as data.

A Suite is a record with its questions, a Question one parametrisation of a published test, and `kills` puts both to a
mutant. The records are in `published.py`. Code, random streams and devices are not theirs: torch.nn.functional on a CPU
stands for the reference of each.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from .inputs import drawn
from .peers import ERRORS, RIGHT, differentiable
from .record import Mutant

Function = Callable[..., Tensor]
Answer = tuple[Tensor, ...]  # the value, and the gradients that were asked for


@dataclass(frozen=True)
class SuiteQuestion:
    """One question of a suite: what is drawn, what is asked of it, and what is accepted.

    Two answers agree within `atol` + `rtol` times the expected one; gradients within `grad`, (rtol, atol), where that
    is another. Where a mean is asked over a `share` of the rows that were published, its gradients are larger by
    1/share, and so is their atol here.
    """

    operation: str
    shape: tuple[int, ...]  # of the logits; of a classifier: rows, features, classes
    rtol: float
    atol: float
    dtype: str = "float32"
    draw: str = "normal"  # a key of inputs.DRAWS
    target: str = "labels"  # or a key of inputs.DRAWS
    ignored: float = 0.0  # the share of rows that are
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    weight: str = ""  # of classes, a key of inputs.DRAWS
    bias: str = ""
    upstream: str = "ones"  # a key of UPSTREAM
    scale: float = 1.0  # of the upstream gradient
    share: float = 1.0
    grad: tuple[float, float] | None = None
    reference: str = ""  # the dtype of the expected answer before it is rounded to that of the question
    against: str = "torch"  # a key of ASKED
    comparison: str = "close"  # a key of COMPARISONS
    probabilities: bool = False  # whether rows have to sum to 1


@dataclass(frozen=True)
class Suite:
    """A public suite: where it is, what of it is rebuilt, and what is not."""

    name: str
    source: str  # the repository, the file, and the date of the version that was read
    inputs: str  # shapes, dtypes, how numbers are drawn, which options
    upstream: str
    tolerance: str
    left_out: str  # what is smaller than published, and what has no counterpart here
    questions: tuple[SuiteQuestion, ...]

    @property
    def operations(self) -> tuple[str, ...]:
        """What it asks about."""
        return tuple(dict.fromkeys(question.operation for question in self.questions))


# ---- upstream gradients ---------------------------------------------------------------------------------------------

Differentiated = tuple[Tensor, Tensor | None]  # what is differentiated, and its upstream gradient


def _normal(value: Tensor, dtype: str, seed: int = 1) -> Tensor:
    """Numbers of the shape and dtype of a value that this dtype holds as well, whatever the value is."""
    random = torch.Generator().manual_seed(seed)
    numbers = torch.randn(value.shape, generator=random, dtype=torch.float64)
    return numbers.to(getattr(torch, dtype)).to(value.dtype)


UPSTREAM: dict[str, Callable[[Tensor, Tensor], Differentiated]] = {  # of the value and normal numbers of its shape
    "ones": lambda value, normal: (value, torch.ones_like(value)),
    "normal": lambda value, normal: (value, normal),
    "of a sum": lambda value, normal: (value.sum(), None),
    "of a mean": lambda value, normal: (value.mean(), None),
    "of the squares": lambda value, normal: (value.square().sum(), None),
    "none": lambda value, normal: (value.detach(), None),  # the value alone is asked for
}


# ---- what is accepted -----------------------------------------------------------------------------------------------

Comparison = Callable[[Tensor, Tensor, Tensor, float, float], bool]  # got, expected, baseline, rtol, atol


def _close(got: Tensor, right: Tensor, baseline: Tensor, rtol: float, atol: float) -> bool:
    """torch.testing.assert_close."""
    return _assert_close(got, right, rtol, atol, nan=False)


def _close_or_nan(got: Tensor, right: Tensor, baseline: Tensor, rtol: float, atol: float) -> bool:
    """torch.testing.assert_close with equal_nan."""
    return _assert_close(got, right, rtol, atol, nan=True)


def _assert_close(got: Tensor, right: Tensor, rtol: float, atol: float, *, nan: bool) -> bool:
    try:
        torch.testing.assert_close(got, right, rtol=rtol, atol=atol, equal_nan=nan)
    except AssertionError:
        return False
    return True


def _allclose(got: Tensor, right: Tensor, baseline: Tensor, rtol: float, atol: float) -> bool:
    """torch.allclose, which broadcasts."""
    return torch.allclose(got, right, rtol=rtol, atol=atol)


def _relative_to_what_is_judged(got: Tensor, right: Tensor, baseline: Tensor, rtol: float, atol: float) -> bool:
    """The tolerance grows with the answer that is judged; NaN agrees with NaN."""
    if got.shape != right.shape:
        return False
    apart = (got - right).abs() > atol + rtol * got.abs()
    strange = (got.isnan() ^ right.isnan()) | (got.isposinf() ^ right.isposinf()) | (got.isneginf() ^ right.isneginf())
    return not bool((apart | strange).any())


def _no_worse_than_a_baseline(got: Tensor, right: Tensor, baseline: Tensor, rtol: float, atol: float) -> bool:
    """Each error at most that of the same in the dtype of the question, and `atol`."""
    return bool(((right - got).abs() <= (right - baseline).abs() + atol).all())


def _largest_error_of_a_baseline(got: Tensor, right: Tensor, baseline: Tensor, rtol: float, atol: float) -> bool:
    """The largest error below `rtol` times that of the same in the dtype of the question, and `atol`."""
    return bool((got - right).abs().max() < rtol * (baseline - right).abs().max() + atol)


def are_probabilities(value: Tensor) -> bool:
    """Whether all numbers are in [0, 1], and rows sum to 1 within 10⁻⁴ twice."""
    sums = value.sum(-1)
    inside = bool((value >= 0).all()) and bool((value <= 1).all())
    return inside and _assert_close(sums, torch.ones_like(sums), 1e-4, 1e-4, nan=False)


COMPARISONS: dict[str, Comparison] = {
    "close": _close,
    "close or NaN": _close_or_nan,
    "allclose": _allclose,
    "relative to what is judged": _relative_to_what_is_judged,
    "no worse than a baseline": _no_worse_than_a_baseline,
    "largest error of a baseline": _largest_error_of_a_baseline,
}
ROUNDED = ("close", "close or NaN", "allclose", "relative to what is judged")


# ---- the questions --------------------------------------------------------------------------------------------------


def _answer(question: SuiteQuestion, function: Function, dtype: str) -> Answer:
    """Value and gradients of what the question draws, from these numbers in another dtype."""
    tensors = drawn(question)
    floats = {name: x.to(getattr(torch, dtype)) for name, x in tensors.items() if x.is_floating_point()}
    names = differentiable(question.operation, tensors) if question.upstream != "none" else []
    leaves = {name: floats[name].clone().requires_grad_() for name in names}
    value = function(**(tensors | floats | leaves), **question.options)
    if not leaves:
        return (value.detach(),)
    differentiated, upstream = UPSTREAM[question.upstream](value, _normal(value, question.dtype))
    if upstream is not None:
        upstream = upstream * question.scale
    elif question.scale != 1:
        differentiated = differentiated * question.scale
    return (value.detach(), *torch.autograd.grad(differentiated, list(leaves.values()), upstream))


@lru_cache(maxsize=512)
def _expected(question: SuiteQuestion, dtype: str) -> Answer:
    """What torch.nn.functional answers in this dtype."""
    return _answer(question, RIGHT[question.operation], dtype)


def _against_torch(question: SuiteQuestion, function: Function) -> bool:
    """Value and gradients of torch.nn.functional, in the dtype of the reference."""
    got, baseline = _answer(question, function, question.dtype), _expected(question, question.dtype)
    right = _expected(question, question.reference or question.dtype)
    if question.comparison in ROUNDED:
        right = tuple(x.to(y.dtype) for x, y in zip(right, baseline, strict=True))
    rtol, atol = question.grad or (question.rtol, question.atol)
    tolerances = [(question.rtol, question.atol)] + (len(got) - 1) * [(rtol, atol / question.share)]
    if question.probabilities and not are_probabilities(got[0]):
        return False
    compare = COMPARISONS[question.comparison]
    columns = zip(got, right, baseline, tolerances, strict=True)
    return all(compare(x, y, z, *tolerance) for x, y, z, tolerance in columns)


def _against_itself_100_higher(question: SuiteQuestion, function: Function) -> bool:
    """The value, where all logits are greater by 100."""
    tensors = drawn(question)
    higher = tensors | {"input": tensors["input"] + 100}
    got = [function(**each, **question.options).detach() for each in (tensors, higher)]
    return _assert_close(got[0], got[1], question.rtol, question.atol, nan=False)


def _against_itself_packed(question: SuiteQuestion, function: Function) -> bool:
    """Value and gradients, where each tensor is every second number of another, and an upstream gradient as well."""
    packed = _answer(question, function, question.dtype)
    tensors = drawn(question)
    apart = {name: _every_second(x) for name, x in tensors.items()}
    names = differentiable(question.operation, tensors)
    leaves = {name: apart[name].detach().requires_grad_() for name in names}
    value = function(**(apart | leaves), **question.options)
    upstream = _normal(value, question.dtype)
    got = (value.detach(), *torch.autograd.grad(value, list(leaves.values()), _every_second(upstream)))
    return all(_assert_close(x, y, question.rtol, question.atol, nan=False) for x, y in zip(got, packed, strict=True))


def _every_second(x: Tensor) -> Tensor:
    """The same numbers, with as many between them along the last dimension."""
    return x.new_zeros((*x.shape[:-1], 2 * x.shape[-1]))[..., ::2].copy_(x) if x.ndim else x


def _by_gradcheck(question: SuiteQuestion, function: Function) -> bool:
    """torch.autograd.gradcheck in its fast mode, in float64."""
    tensors = {name: x.double() if x.is_floating_point() else x for name, x in drawn(question).items()}
    names = differentiable(question.operation, tensors)
    leaves = [tensors[name].clone().requires_grad_() for name in names]

    def of_leaves(*leaves: Tensor) -> Tensor:
        return function(**(tensors | dict(zip(names, leaves, strict=True))), **question.options)

    return bool(torch.autograd.gradcheck(of_leaves, leaves, fast_mode=True, raise_exception=False))


STEP = 1e-4  # of the difference quotient


def _by_one_difference(question: SuiteQuestion, function: Function) -> bool:
    """The gradient for one random cotangent along one random direction, beside a central difference quotient."""
    x = drawn(question)["input"]
    direction = _normal(x, question.dtype)
    leaf = x.clone().requires_grad_()
    value = function(input=leaf, **question.options)
    cotangent = _normal(value, question.dtype, seed=2)
    (grad,) = torch.autograd.grad(value, leaf, cotangent)
    up, down = (function(input=x + step * direction, **question.options).detach() for step in (STEP, -STEP))
    quotient = ((up - down) * (0.5 / STEP) * cotangent).sum()
    return _assert_close((grad * direction).sum(), quotient, question.rtol, question.atol, nan=False)


ASKED: dict[str, Callable[[SuiteQuestion, Function], bool]] = {
    "torch": _against_torch,
    "itself, 100 higher": _against_itself_100_higher,
    "itself, packed": _against_itself_packed,
    "gradcheck": _by_gradcheck,
    "one difference": _by_one_difference,
}


def accepts(question: SuiteQuestion, function: Function) -> bool:
    """Whether a function passes a question; what raises does not."""
    try:
        return ASKED[question.against](question, function)
    except ERRORS:
        return False


def questions_about(suite: Suite, mutant: Mutant) -> tuple[SuiteQuestion, ...]:
    """The questions of a suite about the operation of a mutant."""
    return tuple(question for question in suite.questions if question.operation == mutant.operation)


def kills(suite: Suite, mutant: Mutant) -> bool:
    """Whether a mutant fails a question of a suite; one instance is asked one after the other."""
    function = mutant.make()
    with warnings.catch_warnings(action="ignore"):
        return any(not accepts(question, function) for question in questions_about(suite, mutant))
