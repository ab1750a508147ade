"""Parameters of a function's own whose defaults change its value, and what else is found out by its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import manual
from softproof.problem.problem import Array
from softproof.runs.introduction import Profile
from softproof.runs.profile import Probe

from .helpers.profiles import opener_of


def profile_of(function: Any, name: str, adapter: str = "torch") -> Profile:
    """What is found out about it, without its model."""
    return Probe(opener_of(function, adapter), name, {"arithmetic": "any-order"}, "cpu").profile()


def distillation(y_s: Tensor, y_t: Tensor, T: float = 4.0, reduction: str = "batchmean") -> Tensor:
    """Of a student, which comes first, from a teacher."""
    teacher, student = torch.log_softmax(y_t / T, -1), torch.log_softmax(y_s / T, -1)
    rows = T * T * (teacher.exp() * (teacher - student)).sum(-1)
    return rows if reduction == "none" else rows.sum() / max(1, len(y_s))


def with_another_reduction(q_logits: Tensor, p_logits: Tensor, reduction: str = "sum") -> Tensor:
    """Half the divergence, whatever its reduction."""
    return distillation(q_logits, p_logits, 1.0, reduction) / 2


def with_another_mean(q_logits: Tensor, p_logits: Tensor, reduction: str = "batchmean") -> Tensor:
    """Right for each row, and for all of them neither their sum nor a mean."""
    rows = distillation(q_logits, p_logits, 1.0, "none")
    return rows if reduction == "none" else 7.25 * rows.sum()


def scaled(x: Array, scale: float = 1.01) -> Array:
    """A softmax of something else, by a number that nobody knows the meaning of."""
    return np.asarray(manual.softmax(np.asarray(x * x.dtype.type(scale)), dim=-1))


def of_labels_called_t(x: Array, t: Array, tau: float = 4.0) -> Array:
    """A loss whose labels have the name of a temperature."""
    return np.asarray(manual.cross_entropy(np.asarray(x / x.dtype.type(tau)), t))


def sharpened(x: Array, temperature: float = 0.5) -> Array:
    """A softmax whose usual temperature is another than 1."""
    return np.asarray(manual.softmax(np.asarray(x / x.dtype.type(temperature)), dim=-1))


def test_what_a_default_changes_is_given_what_changes_nothing() -> None:
    """And that is told; the order of teacher and student is in their names."""
    found = profile_of(distillation, "kd_loss")

    assert found.arguments["extra"] == {"T": 1.0, "reduction": "none"}
    assert found.arguments["names"] == {"p_logits": "y_t", "q_logits": "y_s"}
    assert found.not_tested["another T than 1.0"] == "its default changes the value"
    assert "another reduction than none" in found.not_tested
    assert profile_of(sharpened, "softmax", "numpy").arguments["extra"] == {"temperature": 1.0}


def test_what_is_wrong_otherwise_too_keeps_its_defaults() -> None:
    """No value of them makes it right."""
    assert "extra" not in profile_of(with_another_reduction, "kd_loss").arguments
    assert "extra" not in profile_of(with_another_mean, "kd_loss").arguments
    assert "extra" not in profile_of(scaled, "softmax", "numpy").arguments


def test_labels_are_no_temperature() -> None:
    """By their place."""
    found = profile_of(of_labels_called_t, "my_ce", "numpy")

    assert found.arguments["extra"] == {"tau": 1.0}
    assert any("as it is called by default, without tau, it gives other numbers" in each for each in found.notes)


@dataclass
class Result:
    """By name."""

    value: Any
    grad_logits: Any


def of_shares(targets: Array, logits: Array) -> Result:
    """A loss of target probabilities alone, which come first."""
    x = logits - logits.max(1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(1, keepdims=True))
    share = targets / logits.dtype.type(len(logits))
    grad = np.exp(log_p) * share.sum(1, keepdims=True) - share
    return Result(-(share * log_p).sum(), grad)


def test_a_loss_of_probabilities_has_results_by_name() -> None:
    """It answers no labels, and the errors of what it answers tell how to call it."""
    found = profile_of(of_shares, "soft_target_cross_entropy", "numpy").arguments

    assert (found["operation"], found["output"]) == ("cross_entropy", "value")
    assert found["gradients"] == {"logits": "grad_logits"}
    assert "labels" in found["without"]


class FusedLinearForPPO:
    """Log-probabilities and entropies of tokens."""

    def __call__(self, hidden: Tensor, weight: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Both."""
        log_p = torch.log_softmax(hidden @ weight.T, -1)
        return log_p.gather(-1, ids[..., None])[..., 0], -(log_p.exp() * log_p).sum(-1)


@pytest.mark.parametrize("name", ["FusedLinearForPPO", "lm_head_logps"])
def test_log_probabilities_of_a_classifier_are_found_out(name: str) -> None:
    """By names of what they are for, and their sign."""
    found = profile_of(FusedLinearForPPO(), name).arguments

    assert (found["operation"], found["negative"], found["output"]) == ("linear_cross_entropy", True, 0)
    assert found["fixed"] == {"reduction": "none"}
