"""Shapes that not everybody takes: a wrong answer to one is seen, and who leaves a shape out is not asked about it.

Rows of no class, numbers alone, logsumexp over several dimensions and with `keepdim`, and K-dimensional classifiers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from softproof import Problem, judge, load, verify

SHAPES = {
    "softmax": ("empty_classes", "scalars"),
    "logsumexp": ("empty_classes", "scalars", "several_dims", "keepdim"),
    "linear_cross_entropy": ("k_dimensional",),
}


# ---- wrong in one shape alone, and the shape ------------------------------------------------------------------------


def softmax_of_a_number(input: Tensor, dim: int) -> Tensor:
    """A number alone comes back as it is."""
    return F.softmax(input, dim) if input.ndim else input * 1


def softmax_of_no_class(input: Tensor, dim: int) -> Tensor:
    """Rows of no class are taken for rows of one."""
    return F.softmax(input, dim) if input.shape == () or input.shape[dim] else input.sum(dim, keepdim=True) + 1


def logsumexp_of_no_class(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """The logarithm of an empty sum is 0."""
    value = input.logsumexp(dim, keepdim)
    return value if input.numel() else value.nan_to_num(neginf=0.0)


def logsumexp_of_a_number(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """A number alone gains a dimension."""
    return input.logsumexp(dim, keepdim) if input.ndim else input[None] * 1


def keepdim_without_effect(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """The dimension goes all the same."""
    return input.logsumexp(dim, keepdim and False)


def keepdim_of_the_last(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """The dimension that is kept is put at the end."""
    dims = dim if isinstance(dim, Sequence) else (dim,)
    value = input.logsumexp(dim)
    return value.reshape(*value.shape, *(1 for _ in dims)) if keepdim and input.ndim else input.logsumexp(dim, keepdim)


def largest_along_the_first_dim(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Of several dimensions the largest logit is taken along the first alone, and its sum is wrong."""
    dims = tuple(each % max(1, input.ndim) for each in (dim if isinstance(dim, Sequence) else (dim,)))
    if len(dims) == 1 or not input.numel():
        return input.logsumexp(dim, keepdim)
    m = input.amax(dims[0], True)
    value = (input - m).exp().sum(dims, keepdim=True).log() + m.amax(dims, keepdim=True)
    return value if keepdim else value.squeeze(dims)


def the_last_dim_alone(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """The gradient is that of the last of the dimensions."""
    value: Tensor = input.logsumexp(dim, keepdim)
    if not isinstance(dim, Sequence) or len(dim) < 2:
        return value
    other = (input * torch.softmax(input.detach(), dim[-1])).sum(tuple(dim), keepdim)
    return value.detach() + other - other.detach()


def _loss(logits: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def linear_cross_entropy(
        input: Tensor,
        linear_weight: Tensor,
        target: Tensor,
        linear_bias: Tensor | None = None,
        weight: Tensor | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
    ) -> Tensor:
        a = logits(input, linear_weight, linear_bias)
        return F.cross_entropy(
            a, target, weight, reduction=reduction, label_smoothing=label_smoothing, ignore_index=ignore_index
        )

    return linear_cross_entropy


def _product(x: Tensor, w: Tensor) -> Tensor:
    found: Tensor = torch.tensordot(x, w, ([-1], [-1]))
    return found


def right(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """x wᵀ + b (N, C, d1, …)."""
    return _product(x, w) if b is None else _product(x, w) + b


def positions_read_as_classes(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """The axes of classes and positions are taken for each other."""
    a = right(x, w, b)
    return a.reshape(*x.shape[:-1], -1, w.shape[0]).movedim(-1, -2).reshape(a.shape) if w.ndim > 2 else a


def bias_of_the_first_position(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """All positions have the bias of the first."""
    if b is None or b.ndim < 2 or not b.numel():
        return right(x, w, b)
    return right(x, w, b.flatten(1)[:, :1].reshape(len(b), *(1 for _ in b.shape[1:])).expand(b.shape))


def half_the_gradient(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """The weights of the last position have no gradient."""
    if w.ndim > 2 and w.shape[1]:
        w = torch.cat([w[:, :-1], w[:, -1:].detach()], 1)
    return right(x, w, b)


WRONG: list[tuple[str, str, Callable[..., Tensor]]] = [
    ("softmax", "scalars", softmax_of_a_number),
    ("softmax", "empty_classes", softmax_of_no_class),
    ("logsumexp", "empty_classes", logsumexp_of_no_class),
    ("logsumexp", "scalars", logsumexp_of_a_number),
    ("logsumexp", "keepdim", keepdim_without_effect),
    ("logsumexp", "keepdim", keepdim_of_the_last),
    ("logsumexp", "several_dims", largest_along_the_first_dim),
    ("logsumexp", "several_dims", the_last_dim_alone),
    ("linear_cross_entropy", "k_dimensional", positions_read_as_classes),
    ("linear_cross_entropy", "k_dimensional", bias_of_the_first_position),
    ("linear_cross_entropy", "k_dimensional", half_the_gradient),
]


def _named(operation: str, wrong: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return _loss(wrong) if operation == "linear_cross_entropy" else wrong


@pytest.mark.parametrize(("operation", "shape", "wrong"), WRONG, ids=[each[2].__name__ for each in WRONG])
def test_who_gets_a_shape_wrong_is_told_so(operation: str, shape: str, wrong: Callable[..., Tensor]) -> None:
    """With the default number of problems; and not where that shape is left out, which is all that is wrong."""
    function = _named(operation, wrong)

    assert not verify(function, operation=operation, dtypes=["float32"], seed=0, shrink=False).ok
    without = [shape, *({"nonfinite", "jvp", "hvp"} if operation != "linear_cross_entropy" else ())]
    verify(function, operation=operation, dtypes=["float32"], seed=0, examples=10, without=without).check()


@pytest.mark.parametrize("operation", SHAPES)
def test_a_shape_that_is_left_out_is_not_asked(operation: str) -> None:
    """By name, or since the signature has no keepdim."""
    candidate = load("reference", adapter="torch").only(operation).leaving_out(SHAPES[operation])
    problems = {
        "empty_classes": Problem(operation, "float32", {"logits": [[], []]}),
        "scalars": Problem(operation, "float32", {"logits": 1.0}),
        "several_dims": Problem(operation, "float32", {"logits": [[1.0]]}, {"dim": (0, 1)}),
        "k_dimensional": Problem(operation, "float32", {"input": [[1.0]], "linear_weight": [[[1.0]]], "target": [[0]]}),
    }

    for shape in SHAPES[operation]:
        assert shape not in candidate.supports(operation)
        assert shape == "keepdim" or not candidate.takes(problems[shape])


def test_a_function_without_keepdim_is_not_asked() -> None:
    """The report says so."""
    report = verify(
        lambda x, dim: x.logsumexp(dim), operation="logsumexp", dtypes=["float32"], seed=0, examples=30,
        without=["nonfinite"],
    )  # fmt: skip

    assert report.ok
    assert "keepdim" in report.rows[0].asked.unsupported


def test_both_signs_of_a_dim_are_one() -> None:
    """(0, -1) is (-1, 0), and all dimensions of a cube are one row."""
    reference = load("reference", adapter="torch")
    cube = torch.arange(8.0).reshape(2, 2, 2).numpy()

    for dim in ((0, -1), (-1, 0), (0, 1, 2), (2, 0, -2), (1,)):
        for keepdim in (False, True):
            problem = Problem("logsumexp", "float32", {"logits": cube}, {"dim": dim, "keepdim": keepdim})
            assert judge(reference, problem).ok
