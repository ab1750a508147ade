"""What else people check with, on the same mutants: torch.testing.assert_close and torch.autograd.gradcheck.

Each peer compares value and gradients with those of torch.nn.functional, or the gradient with differences of the value,
on normal logits of a moderate size: (32, 40) for assert_close with its default tolerances, (4, 5) in float64 for
gradcheck. *With options* asks again with one option at a time. An error counts as a kill; what only a peer that looks
twice could see, such as an input that was written, does not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..problem.operations import OPERATIONS
from .record import Mutant

Peer = Callable[[Mutant], bool]  # whether it kills
Arguments = tuple[dict[str, Tensor], dict[str, Any]]  # tensors and options, both by name


def _linear_cross_entropy(
    input: Tensor, linear_weight: Tensor, target: Tensor, linear_bias: Tensor | None = None, **options: Any
) -> Tensor:
    return F.cross_entropy(F.linear(input, linear_weight, linear_bias), target, **options)


def _entropy(p: Tensor, dim: int = -1) -> Tensor:
    terms: Tensor = torch.special.entr(p)
    return terms.sum(dim)


def _distribution_cross_entropy(p: Tensor, q: Tensor, dim: int = -1) -> Tensor:
    terms: Tensor = torch.special.xlogy(p, q)
    return 0 - terms.sum(dim)


def _kl_divergence(p: Tensor, q: Tensor, dim: int = -1) -> Tensor:
    return F.kl_div(q.log(), p, reduction="none").sum(dim)


def _softmax_entropy(input: Tensor, dim: int = -1) -> Tensor:
    return 0 - (F.softmax(input, dim) * F.log_softmax(input, dim)).sum(dim)


def _softmax_kl_divergence(p_logits: Tensor, q_logits: Tensor, dim: int = -1) -> Tensor:
    return F.kl_div(F.log_softmax(q_logits, dim), F.softmax(p_logits, dim), reduction="none").sum(dim)


RIGHT: dict[str, Callable[..., Tensor]] = {
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "logsumexp": torch.logsumexp,
    "entropy": _entropy,
    "distribution_cross_entropy": _distribution_cross_entropy,
    "kl_divergence": _kl_divergence,
    "softmax_entropy": _softmax_entropy,
    "softmax_kl_divergence": _softmax_kl_divergence,
    "linear": F.linear,
    "cross_entropy": F.cross_entropy,
    "linear_cross_entropy": _linear_cross_entropy,
}


def questions(operation: str, rows: int, classes: int, dtype: torch.dtype, *, options: bool) -> Iterator[Arguments]:
    """The default question, and then one option at a time."""
    random = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64).to(dtype)

    if operation in ("softmax", "log_softmax", "logsumexp", "softmax_entropy"):
        yield from (({"input": normal(rows, classes)}, {"dim": dim}) for dim in ((-1, 0) if options else (-1,)))
        return
    if operation == "softmax_kl_divergence":
        for dim in (-1, 0) if options else (-1,):
            yield {name: normal(rows, classes) for name in OPERATIONS[operation].inputs}, {"dim": dim}
        return
    if names := [name for name in ("p", "q") if name in OPERATIONS[operation].inputs]:
        for dim in (-1, 0) if options else (-1,):
            yield {name: normal(rows, classes).softmax(dim) for name in names}, {"dim": dim}
        return
    if operation == "linear":
        inputs = {"input": normal(rows, 7), "weight": normal(classes, 7)}
        yield from ((inputs | more, {}) for more in (({}, {"bias": normal(classes)}) if options else ({},)))
        return
    labels = torch.randint(0, classes, (rows,), generator=random)
    logits = {"input": normal(rows, classes)}
    if operation == "linear_cross_entropy":
        logits = {"input": normal(rows, 7), "linear_weight": normal(classes, 7)}
    yield logits | {"target": labels}, {}
    if not options:
        return
    some = torch.arange(rows) % 3 == 0
    yield logits | {"target": torch.where(some, -100, labels)}, {}
    yield logits | {"target": torch.where(some, 1, labels)}, {"ignore_index": 1}
    yield logits | {"target": labels, "weight": normal(classes).abs() + 0.1}, {}
    yield logits | {"target": labels}, {"label_smoothing": 0.1}
    yield logits | {"target": normal(rows, classes).softmax(-1)}, {}
    yield from ((logits | {"target": labels}, {"reduction": reduction}) for reduction in ("none", "sum"))


def differentiable(operation: str, tensors: dict[str, Tensor]) -> list[str]:
    """The tensors that have a gradient."""
    names = OPERATIONS[operation].gradients
    names = ("input", *names) if "logits" in names else names
    return [name for name, x in tensors.items() if name in names and x.is_floating_point()]


def _answer(operation: str, function: Callable[..., Tensor], question: Arguments) -> list[Tensor]:
    """Value and gradients, with an upstream gradient of ones."""
    tensors, options = question
    leaves = {name: tensors[name].clone().requires_grad_() for name in differentiable(operation, tensors)}
    value = function(**(tensors | leaves), **options)
    return [value.detach(), *torch.autograd.grad(value.sum(), list(leaves.values()))]


def assert_close(mutant: Mutant, *, options: bool) -> bool:
    """torch.testing.assert_close with the default tolerances of the dtype."""
    dtype = getattr(torch, mutant.dtypes[-1])
    function = mutant.make()
    for question in questions(mutant.operation, 32, 40, dtype, options=options):
        right = _answer(mutant.operation, RIGHT[mutant.operation], question)
        try:
            torch.testing.assert_close(_answer(mutant.operation, function, question), right)
        except (AssertionError, *ERRORS):
            return True
    return False


def gradcheck(mutant: Mutant, *, options: bool, fast: bool) -> bool:
    """torch.autograd.gradcheck with its default tolerances; in float64, whatever the mutant is asked in."""
    function = mutant.make()
    for tensors, given in questions(mutant.operation, 4, 5, torch.float64, options=options):
        names = differentiable(mutant.operation, tensors)
        of_leaves = partial(_of_leaves, function, names, tensors | given)
        try:
            torch.autograd.gradcheck(
                of_leaves, [tensors[name].clone().requires_grad_() for name in names], fast_mode=fast
            )
        except ERRORS:
            return True
    return False


def _of_leaves(function: Callable[..., Any], names: list[str], arguments: dict[str, Any], *leaves: Tensor) -> Any:
    """The function with these leaves in place of the tensors of these names."""
    return function(**(arguments | dict(zip(names, leaves, strict=True))))


ERRORS = (RuntimeError, IndexError, TypeError, ValueError, AttributeError)

PEERS: dict[str, Peer] = {
    "assert_close": lambda mutant: assert_close(mutant, options=False),
    "assert_close, with options": lambda mutant: assert_close(mutant, options=True),
    "gradcheck": lambda mutant: gradcheck(mutant, options=False, fast=False),
    "gradcheck, fast": lambda mutant: gradcheck(mutant, options=False, fast=True),
    "gradcheck, with options": lambda mutant: gradcheck(mutant, options=True, fast=False),
    "gradcheck, fast, with options": lambda mutant: gradcheck(mutant, options=True, fast=True),
}


def killed_by_peers(mutant: Mutant) -> tuple[str, ...]:
    """The names of the peers that kill a mutant; none where torch has no such operation to compare with."""
    if mutant.operation not in RIGHT:
        return ()
    with warnings.catch_warnings(action="ignore"):
        return tuple(name for name, peer in PEERS.items() if peer(mutant))
