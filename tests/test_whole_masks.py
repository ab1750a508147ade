"""A mask of which an operation says nothing leaves nothing out, if answers are right then; others are not tested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import softproof
from softproof.problem.problem import Array
from softproof.problem.whole_masks import WHOLE
from softproof.runs.introduction import CannotAskError
from softproof.runs.profile import Probe
from tests.helpers.profiles import opener_of, profile_of

INF = float("inf")


def kept(x: Tensor, mask: Tensor) -> Tensor:
    """Of the classes where it is True."""
    return torch.softmax(x.masked_fill(~mask, -INF), -1)


def padded(x: Tensor, padding_mask: Tensor) -> Tensor:
    """Of the classes where it is False."""
    return torch.softmax(x.masked_fill(padding_mask, -INF), -1)


def added(scores: Tensor, attention_mask: Tensor) -> Tensor:
    """A 1 in each place changes no probability, either, until logits are large."""
    return torch.softmax(scores + attention_mask, -1)


def one_less(x: Tensor, mask: Tensor) -> Tensor:
    """Of a mask of numbers, since a boolean cannot be subtracted."""
    return torch.softmax(x - (1 - mask) * 1e9, -1)


def a_little_less(x: Tensor, mask: Tensor) -> Tensor:
    """As in BERT: with 0 in each place all logits are 10,000 less, which small numbers bear."""
    return torch.softmax(x - (1 - mask) * 1e4, -1)


def of_a_layer(hidden: Tensor, weight: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Of the logits, which it makes itself."""
    return F.cross_entropy((hidden @ weight.T).masked_fill(~mask, -INF), target)


def of_rows(policy_logits: Tensor, ref_logits: Tensor, response_mask: Tensor) -> Tensor:
    """A divergence that is 0 for the rows that do not count; a mask of classes has another shape."""
    return (softproof_kl(policy_logits, ref_logits)) * response_mask


def mean_of_rows(logits: Tensor, ref_logits: Tensor, mask: Tensor, chunk: int = 32) -> Tensor:
    """One number, the mean over the rows that count, in chunks of these; a mask of classes has too many numbers."""
    p, q, counted = logits.reshape(-1, logits.shape[-1]), ref_logits.reshape(-1, logits.shape[-1]), mask.reshape(-1)
    total = logits.sum() * 0
    for start in range(0, len(counted), chunk):
        part = slice(start, start + chunk)
        total = total + (softproof_kl(p[part], q[part]) * counted[part]).sum()
    return total / counted.sum().clamp(min=1)


def softproof_kl(p: Tensor, q: Tensor) -> Tensor:
    """By log-probabilities."""
    return F.kl_div(torch.log_softmax(q, -1), torch.log_softmax(p, -1), reduction="none", log_target=True).sum(-1)


def of_actions(logits: Tensor, target: Tensor, legal_mask: Tensor) -> Tensor:
    """A loss of the classes that may be chosen."""
    return F.cross_entropy(logits.masked_fill(~legal_mask, -INF), target)


def in_numpy(a: Array, mask: Array) -> Array:
    """A logsumexp of the classes where it is True."""
    kept = np.where(mask, a, -np.inf)
    largest = kept.max(-1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0).astype(a.dtype)
    return np.asarray(np.log(np.exp(kept - largest).sum(-1)) + largest[..., 0])


def forgotten(x: Tensor, mask: Tensor) -> Tensor:
    """Wrong: the last class of many is left out, whatever the mask says."""
    every = kept(x, mask)
    return torch.cat((every[..., :-1], every[..., -1:] * 0), -1) if x.shape[-1] > 100 else every


@pytest.mark.parametrize(
    ("function", "operation", "whole"),
    [(kept, "softmax", "@true"), (padded, "softmax", "@false"), (added, "softmax", "@false"),
     (one_less, "softmax", "@ones"), (a_little_less, "softmax", "@ones"),
     (of_a_layer, "linear_cross_entropy", "@true"), (of_rows, "softmax_kl_divergence", "@true_rows"),
     (mean_of_rows, "softmax_kl_divergence", "@true_rows"),
     (of_actions, "cross_entropy", "@true")],
)  # fmt: skip
def test_it_is_found_out(function: Callable[..., Any], operation: str, whole: str) -> None:
    """With what makes the answers right, and what is not tested is told."""
    found = profile_of(function, operation=operation, dtypes=["float32"])
    (name,) = found.arguments["extra"]
    assert found.arguments["extra"] == {name: whole}
    assert f"{name} that leaves something out" in found.not_tested
    assert found.arguments.get("row_by_row", False) == (function is mean_of_rows)
    row = softproof.verify(function, seed=2, examples=60, **_judged(found.arguments)).rows[0]
    assert row.verdict == "agrees", row.failure


def test_numpy_is_given_its_own() -> None:
    """Booleans of NumPy."""
    extra = {"mask": "@true"}
    (row,) = softproof.verify(
        in_numpy, operation="logsumexp", adapter="numpy", extra=extra,
        without=["scalars", "empty_classes", "nonfinite"],
        dtypes=["float32"], seed=2, examples=60
    ).rows  # fmt: skip
    assert row.verdict == "agrees", row.failure


def test_none_is_tried_for_ever() -> None:
    """Of a function that no mask makes right; each is tried once for each number of dimensions."""
    opened = []
    opener = opener_of(sometimes)

    def counting(more: Any) -> Any:
        opened.append(more.get("extra"))
        return opener(more)

    given: dict[str, Any] = {"operation": "softmax", "arithmetic": "any-order"}
    with pytest.raises(CannotAskError, match="missing 1 required positional argument: 'mask'"):
        Probe(counting, "sometimes", given, "cpu").profile()
    tried = [each["mask"] for each in opened if each and each.get("mask") in WHOLE]
    assert set(tried) == {*WHOLE}
    assert max(map(tried.count, WHOLE)) <= 6


def sometimes(x: Tensor, mask: Tensor) -> Tensor:
    """Right for no mask that leaves nothing out."""
    return x * 0 + 7 + mask.sum()


def test_a_wrong_one_is_rejected() -> None:
    """For what it computes."""
    found = profile_of(forgotten, operation="softmax", dtypes=["float32"])
    row = softproof.verify(forgotten, seed=2, **_judged(found.arguments)).rows[0]
    assert row.verdict == "disagrees"


def _judged(arguments: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != "require"} | {"arithmetic": "auto"}


@pytest.mark.parametrize("name", ["@truth", "@ones_row"])
def test_an_unknown_one_is_an_error(name: str) -> None:
    """Which names those that there are."""
    with pytest.raises(ValueError, match=r"expected one of .*@true, @true_rows"):
        softproof.load(kept, operation="softmax", extra={"mask": name})


def test_it_has_the_shape_in_which_logits_are_given() -> None:
    """Of sequences with classes last, and of a position more."""
    shapes = []

    def loss(logits: Tensor, target: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
        shapes.append((logits.shape, mask.shape, target.shape, rows.shape, mask.dtype, rows.dtype == logits.dtype))
        return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), target[:, 1:].reshape(-1))

    extra = {"mask": "@true", "rows": "@zeros_rows"}
    fixed: dict[str, Any] = {"dim": -1, "reduction": "mean", "ignore_index": -100}
    asked = softproof.verify(
        loss, operation="cross_entropy", adapter="torch", extra=extra, shifted=True, fixed=fixed, ndim=[3],
        without=["ignored_nonfinite"], dtypes=["float32"],
        examples=60, seed=0
    )  # fmt: skip
    assert asked.rows[0].verdict == "agrees", asked.rows[0].failure
    assert len(shapes) > 20
    for logits, mask, target, rows, *dtypes in shapes:
        assert (logits, target) == (mask, rows)
        assert dtypes == [torch.bool, True]
