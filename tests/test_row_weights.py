"""What `weights` of a loss are, of rows or of classes, is found out; wrong with them is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from torch import Tensor

import softproof
from softproof.problem.problem import Array
from tests.helpers.profiles import profile_of

HOW: Any = {"operation": "cross_entropy", "dtypes": ["float32"], "seed": 3, "arithmetic": "auto", "examples": 60}


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), reduction="none")


def of_tokens(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """A mean by the weights of tokens."""
    w = weights.reshape(-1).to(logits.dtype)
    return (_losses(logits, targets) * w).sum() / w.sum()


def of_tokens_by_default(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """The same, which may be left out."""
    return _losses(logits, targets).mean() if weights is None else of_tokens(logits, targets, weights)


def of_batches(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Of three dimensions alone."""
    b, t, v = logits.shape
    losses = F.cross_entropy(logits.reshape(b * t, v), targets.reshape(b * t), reduction="none").view(b, t)
    return (losses * weights).sum() / weights.sum()


def by_their_number(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """The sum, divided by all rows: wrong where one does not count."""
    return (_losses(logits, targets) * weights.reshape(-1)).mean()


def of_classes(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """As in torch, by another name."""
    return F.cross_entropy(logits, targets, weight=weights)


def of_classes_by_default(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """The same, which may be left out."""
    return F.cross_entropy(logits, targets, weight=weights)


def of_classes_in_numpy(logits: Array, targets: Array, weights: Array) -> Array:
    """Looked up."""
    x = logits - logits.max(-1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(-1, keepdims=True))
    w = weights[targets]
    return np.asarray(-(log_p[np.arange(len(targets)), targets] * w).sum() / w.sum(), logits.dtype)


@pytest.mark.parametrize(
    ("function", "name", "right"),
    [
        (of_tokens, "row_weights", True),
        (of_tokens_by_default, "row_weights", True),
        (of_batches, "counted", True),
        (by_their_number, "weight", False),
        (of_classes, "weight", True),
        (of_classes_by_default, "weight", True),
        (of_classes_in_numpy, "weight", True),
    ],
)
def test_what_weights_are_is_found_out(function: Any, name: str, right: bool) -> None:
    """By which they are right; those of rows are 1 or 0 then, and that is told."""
    adapter = "numpy" if function is of_classes_in_numpy else "torch"
    found = profile_of(function, operation="cross_entropy") if adapter == "torch" else None

    if found is not None and right:
        assert found.arguments["names"] == {name: "weights"}
        assert ("weights other than 0 and 1" in found.not_tested) == (name != "weight")
    fixed = {"dim": -1} if name != "weight" else {}
    without = ["nonfinite", "invalid_labels", "probabilities", "all_ignored", "ignored_nonfinite"]
    ndim = [3] if function is of_batches else [2] if adapter == "numpy" else []
    (row,) = softproof.verify(
        function, adapter=adapter, names={name: "weights"}, fixed=fixed, without=without, ndim=ndim, **HOW
    ).rows
    assert (row.verdict == "agrees") == right, row.failure
