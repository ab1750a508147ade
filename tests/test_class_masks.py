"""Functions that take a mask of classes are asked what others are asked by logits of -inf."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import softproof
from softproof import Problem, check_behaviour, judge, load
from softproof.problem.class_masks import CLASS_MASKS
from softproof.runs.profile import Probe

from .helpers.profiles import opener_of

MASKED = [[2.0, -np.inf, 1.0, -np.inf], [0.5, 0.0, -np.inf, 3.0]]
PROBLEM = Problem("softmax", "float64", {"logits": MASKED}, {"dim": -1}, np.ones((2, 4)) * [1.0, -2.0, 0.5, 3.0])
MAKES = {  # from a mask, that of the classes that count
    "@counted": lambda mask: mask,
    "@ignored": lambda mask: ~mask,
    "@counted_ones": lambda mask: mask == 1,
    "@ignored_ones": lambda mask: mask == 0,
    "@added": torch.isfinite,
}


def taking(name: str, fill: float = -torch.inf) -> Any:
    """A softmax that takes such a mask; 0 where no class counts."""

    def masked_softmax(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
        counted = MAKES[name](mask)
        p = torch.softmax(scores.masked_fill(~counted, fill), dim)
        return torch.where(counted, p, 0)

    return masked_softmax


def without_its_mask(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    """Which it does not look at."""
    assert mask.shape == scores.shape
    return torch.softmax(scores, dim)


def asked_as(function: Any, name: str, **more: Any) -> softproof.Candidate:
    """The function as softmax."""
    return load(function, operation="softmax", adapter="torch", extra={"mask": name}, **more)


@pytest.mark.parametrize("name", CLASS_MASKS)
def test_who_takes_a_mask_agrees(name: str) -> None:
    """By its own kind of mask, and no other; it never sees -inf, and its inputs are as they were."""
    seen: list[Tensor] = []

    def masked_softmax(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
        seen.append(scores)
        found: Tensor = taking(name)(scores, mask, dim)
        return found

    right = asked_as(masked_softmax, name)

    verdict = judge(right, PROBLEM)

    assert verdict.ok, verdict
    assert set(verdict.ratios) == {"value", "grad_logits"}
    assert seen
    assert all(bool(torch.isfinite(each).all()) for each in seen)
    assert check_behaviour(right, PROBLEM).ok
    for other in CLASS_MASKS:
        if other.partition("_")[0] != name.partition("_")[0] and (name, other) != ("@ignored_ones", "@added"):
            assert judge(asked_as(masked_softmax, other), PROBLEM).outcome == "disagrees"


def test_who_reads_what_is_left_out_disagrees() -> None:
    """The logits there are as large as the largest that counts: a mask that is not used, or used in the value alone."""
    assert judge(asked_as(without_its_mask, "@counted"), PROBLEM).outcome == "disagrees"

    def leaking(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
        kept = torch.softmax(scores.detach().masked_fill(~mask, -torch.inf), dim)
        whole = torch.softmax(scores, dim)
        return kept + whole - whole.detach()

    assert judge(asked_as(leaking, "@counted"), PROBLEM).output == "grad_logits"


def test_a_maximum_over_all_logits_is_right() -> None:
    """What is left out is no larger than what counts, so that nothing underflows."""

    def shifted_by_the_largest(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
        e = torch.exp(scores - scores.amax(dim, keepdim=True)) * mask
        return e / e.sum(dim, keepdim=True)

    low = Problem("softmax", "float64", {"logits": [[-1e4, -np.inf, 1.0 - 1e4]]}, {"dim": -1})

    assert judge(asked_as(shifted_by_the_largest, "@counted"), low).ok


@pytest.mark.parametrize(("fill", "outcome"), [(-torch.inf, "agrees"), (-1e4, "disagrees")])
def test_a_large_number_in_place_of_infinity_is_told(fill: float, outcome: str) -> None:
    """Among logits that are as low; a mask of rows of which nothing counts is left out."""
    (row,) = softproof.verify(
        taking("@counted", fill), operation="softmax", adapter="torch", extra={"mask": "@counted"}, seed=0,
        without=["nonfinite", "empty_classes"], dtypes=["float32"],
    ).rows  # fmt: skip

    assert row.verdict == outcome
    if row.failure is not None:
        problem = row.failure.verdict.problem
        assert problem is not None
        assert np.isfinite(problem.inputs["logits"]).any()


@pytest.mark.parametrize("number", [-1.0, -torch.inf])
def test_what_changes_its_logits_is_told(number: float) -> None:
    """Where they do not count, to whatever it is: -inf is not what it was given."""

    def filling(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
        with torch.no_grad():
            scores.masked_fill_(~mask, number)
        return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim)

    assert "changed its input logits" in judge(asked_as(filling, "@counted"), PROBLEM).explanation


@pytest.mark.parametrize("name", CLASS_MASKS)
def test_a_mask_that_has_to_be_given_is_found_out(name: str) -> None:
    """And what it makes of rows of which nothing counts is left out, and told."""
    opener = opener_of(taking(name))
    found = Probe(opener, "masked_softmax", {"arithmetic": "any-order"}, "cpu").profile()

    boolean = name.removesuffix("_ones")
    assert found.arguments["extra"]["mask"] in (name, boolean)
    assert "nonfinite" in found.arguments["without"]
    assert "got 0.0, exact nan" in found.not_tested["nonfinite"]


def test_where_there_are_no_logits_alone() -> None:
    """Both sides are named."""
    with pytest.raises(ValueError, match="extra mask is @counted, and it has cross_entropy; expected all rows at once"):
        load(without_its_mask, operation="cross_entropy", extra={"mask": "@counted"})
    with pytest.raises(ValueError, match="extra mask is @ignored, and row_by_row is True; expected all rows"):
        load(without_its_mask, operation="logsumexp", extra={"mask": "@ignored"}, row_by_row=True)
