"""The article's own numbers, from both halves."""

from __future__ import annotations

import math
from fractions import Fraction
from types import ModuleType
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

import manual
import reference

X = np.array([1.0, 2.0, 3.0])
W = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])
Y = np.array([0.0, 0.0, 1.0])

halves = pytest.mark.parametrize("half", [manual, reference], ids=["manual", "reference"])


def _rounded(values: Any, decimals: int = 2) -> list[float]:
    """As the article prints them."""
    return [round(float(value), decimals) for value in np.asarray(values).reshape(-1)]


@halves
def test_softmax_of_one_two_three(half: ModuleType) -> None:
    """Section 1.1: [1, 2, 3] gives [0.09, 0.24, 0.67]."""
    assert _rounded(half.softmax(X)) == [0.09, 0.24, 0.67]


@halves
def test_normaliser_of_one_two_three(half: ModuleType) -> None:
    """Section 1.1: the denominator is 30.19."""
    assert _rounded(np.exp(np.asarray(half.logsumexp(X)))) == [30.19]


@halves
def test_linear_layer(half: ModuleType) -> None:
    """Section 1.2: a = W x = [1.4, 3.2, 5.0]."""
    assert _rounded(half.linear(X, W)) == [1.4, 3.2, 5.0]


@halves
def test_probabilities(half: ModuleType) -> None:
    """Section 1.2: p = softmax(a) = [0.02, 0.14, 0.84]."""
    assert _rounded(half.softmax(half.linear(X, W))) == [0.02, 0.14, 0.84]


@halves
def test_divergence_is_cross_entropy_minus_entropy(half: ModuleType) -> None:
    """Section 2.1: D(p‖q) = H(p, q) - H(p), and for a one-hot p the entropy is 0."""
    p, q = half.softmax(X), half.softmax(half.linear(X, W))

    difference = float(half.distribution_cross_entropy(p, q)) - float(half.entropy(p))

    assert _rounded(half.kl_divergence(p, q), 12) == [round(difference, 12)]
    assert float(half.entropy(Y)) == 0.0


@halves
def test_loss_of_the_worked_example(half: ModuleType) -> None:
    """Section 2.2: -log p_3 is 0.1762; the article rounds p to 0.84 first, and -log 0.84 is 0.17."""
    a = half.linear(X, W)

    assert _rounded(half.cross_entropy(a, np.array(2)), 4) == [0.1762]
    assert _rounded(half.cross_entropy(a, Y), 4) == [0.1762]
    assert _rounded(half.distribution_cross_entropy(Y, half.softmax(a)), 4) == [0.1762]
    assert round(-math.log(0.84), 2) == 0.17


def test_the_printed_digits_are_those_of_the_exact_values() -> None:
    """The article's, rounded to two digits, all but the loss: logits in fractions, the rest by mpmath."""
    logits = [sum(Fraction(3 * k + j + 1, 10) * (j + 1) for j in range(3)) for k in range(3)]
    with mpmath.workdps(40):
        powers = [mpmath.exp(mpmath.mpf(each.numerator) / each.denominator) for each in logits]
        p = [power / mpmath.fsum(powers) for power in powers]
        loss = -mpmath.log(p[2])

    assert logits == [Fraction("1.4"), Fraction("3.2"), Fraction(5)]
    assert _rounded(p) == [0.02, 0.14, 0.84]
    assert _rounded(p, 4) == [0.0229, 0.1386, 0.8385]
    assert _rounded([loss], 4) == [0.1762]
    assert _rounded([loss]) == [0.18]  # and not 0.17


@halves
def test_probabilities_reach_0_and_1_in_floating_point(half: ModuleType) -> None:
    """Section 1.1 has them in (0, 1), where exact ones are."""
    assert _rounded(half.softmax(np.array([0.0, 800.0])), 16) == [0.0, 1.0]


@halves
def test_cross_entropy_is_smallest_where_the_distributions_are_alike(half: ModuleType) -> None:
    """Section 2.2 calls it a similarity; it is H(p) at q = p, and larger elsewhere."""
    p, q = half.softmax(X), half.softmax(half.linear(X, W))
    entropy, same, other = half.entropy(p), half.distribution_cross_entropy(p, p), half.distribution_cross_entropy(p, q)

    assert _rounded(same, 12) == _rounded(entropy, 12)
    assert float(other) > float(same) > 0


@halves
def test_the_diagonal_alone_is_right_in_the_label_and_0_elsewhere(half: ModuleType) -> None:
    """What a softmax makes of the chain that keeps ∂p_i/∂a_i and nothing else."""
    a = half.linear(X, W)
    first = np.asarray(half.probabilities_gradient(half.softmax(a), Y))
    whole = np.asarray(half.cross_entropy_backward(1.0, a, np.array(2)))

    diagonal = first * np.diag(np.asarray(half.softmax_jacobian(a)))

    assert _rounded(diagonal[2], 14) == _rounded(whole[2], 14)
    assert _rounded(diagonal[:2], 14) == [0.0, 0.0]
    assert (np.abs(whole[:2]) > 0.01).all()


@halves
@pytest.mark.parametrize("label", range(3))
def test_the_chain_over_all_paths_is_the_fused_form(half: ModuleType, label: int) -> None:
    """Section 2.3, for every label: Σ_i ∂L/∂p_i ∂p_i/∂a_k ∂a_k/∂w_kj = (p_k - y_k) x_j."""
    y = np.eye(3)[label]
    p = np.asarray(half.softmax(half.linear(X, W)))
    exact = np.outer(p - y, X)

    over_paths = np.asarray(half.weight_gradient_over_all_paths(X, W, y))
    summed = sum(np.asarray(half.weight_gradient_through_one_path(X, W, y, path)) for path in range(3))
    fused = np.asarray(half.weight_gradient_fused(X, W, y))
    general = np.asarray(half.linear_cross_entropy_backward(1.0, X, W, np.array(label))[1])

    for gradient in (over_paths, summed, fused, general):
        assert _rounded(gradient, 14) == _rounded(exact, 14)


@halves
def test_the_articles_fragment_follows_one_path(half: ModuleType) -> None:
    """Section 2.3 writes ∂L/∂w_11 through p_1 alone, which is 0 for label 3; the truth is (p_1 - y_1) x_1."""
    fragment = np.asarray(half.weight_gradient_through_one_path(X, W, Y, 0))[0, 0]
    whole = np.asarray(half.weight_gradient_over_all_paths(X, W, Y))[0, 0]

    assert fragment == 0.0
    assert _rounded(whole, 4) == [0.0229]
    assert _rounded(whole, 14) == _rounded(np.asarray(half.softmax(half.linear(X, W)))[0] * X[0], 14)


@halves
def test_the_first_factor(half: ModuleType) -> None:
    """Section 2.3: ∂L/∂p_i = -y_i / p_i."""
    p = np.asarray(half.softmax(half.linear(X, W)))

    assert _rounded(half.probabilities_gradient(p, Y), 12) == _rounded(-Y / p, 12)


@halves
def test_the_jacobian_is_diag_p_minus_p_p(half: ModuleType) -> None:
    """∂p_i/∂a_j = p_i (δ_ij - p_j), and softmax_backward multiplies by its transpose."""
    a, g = half.linear(X, W), np.array([0.5, -1.0, 2.0])
    p, jacobian = np.asarray(half.softmax(a)), np.asarray(half.softmax_jacobian(a))

    assert _rounded(jacobian, 14) == _rounded(np.diag(p) - np.outer(p, p), 14)
    assert _rounded(half.softmax_backward(g, a), 14) == _rounded(jacobian.T @ g, 14)


@halves
def test_the_jacobian_of_a_batch_is_the_batch_of_jacobians(half: ModuleType) -> None:
    """(…, C) gives (…, C, C), one square for each row."""
    batch = np.arange(24.0).reshape(2, 3, 4) % 5

    whole = np.asarray(half.softmax_jacobian(batch))

    assert whole.shape == (2, 3, 4, 4)
    for i, j in np.ndindex(2, 3):
        assert _rounded(whole[i, j], 14) == _rounded(half.softmax_jacobian(batch[i, j]), 14)
