"""Entropy and its kin: probabilities, and two distributions that do not fit."""

from __future__ import annotations

import numpy as np

from .inputs import Q, Table

INFORMATION: Table = {
    "entropy of a number": (lambda f: f.entropy(1.0), IndexError, "dim is -1; p of shape () has dims"),
    "negative probability": (lambda f: f.entropy([1.5, -0.5]), ValueError, "p holds -0.5; expected probabilities"),
    "nan probability": (lambda f: f.entropy([np.nan, 1.0]), ValueError, "p holds nan; expected probabilities"),
    "p and q of two shapes": (
        lambda f: f.kl_divergence(Q, Q[0]),
        ValueError,
        "q has shape (3,); expected (2, 3), that of p",
    ),
    "p and q of two dtypes": (
        lambda f: f.distribution_cross_entropy(Q, Q.astype(np.float32)),
        TypeError,
        "q has dtype (torch.)?float32; expected (torch.)?float64, that of p",
    ),
    "upstream of entropy": (
        lambda f: f.entropy_backward(Q, Q),
        ValueError,
        "grad_output has shape (2, 3); expected (2,)",
    ),
    "upstream of cross-entropy of distributions": (
        lambda f: f.distribution_cross_entropy_backward(np.ones(2), Q, Q, 0),
        ValueError,
        "grad_output has shape (2,); expected (3,)",
    ),
    "upstream of a divergence": (
        lambda f: f.kl_divergence_backward(np.ones(2, np.float32), Q, Q),
        TypeError,
        "grad_output has dtype (torch.)?float32; expected (torch.)?float64",
    ),
    "negative probability, going back": (
        lambda f: f.entropy_backward(1.0, [1.5, -0.5]),
        ValueError,
        "p holds -0.5; expected probabilities",
    ),
    "p and q of two shapes, going back": (
        lambda f: f.distribution_cross_entropy_backward(np.ones(2), Q, Q[0]),
        ValueError,
        "q has shape (3,); expected (2, 3), that of p",
    ),
    "p and q of two dtypes, going back": (
        lambda f: f.kl_divergence_backward(np.ones(2), Q, Q.astype(np.float32)),
        TypeError,
        "q has dtype (torch.)?float32; expected (torch.)?float64, that of p",
    ),
}
