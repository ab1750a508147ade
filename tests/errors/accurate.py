"""The loss that keeps its digits: of labels alone."""

from __future__ import annotations

import numpy as np

from .inputs import Table, X, Y

ACCURATE: Table = {
    "accurate loss, going back, label too large": (
        lambda f: f.accurate_cross_entropy_backward(1.0, X, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2",
    ),
    "accurate, probabilities": (
        lambda f: f.accurate_cross_entropy(X, np.full((2, 3), 0.25)),
        TypeError,
        "target has dtype (torch.)?float64; expected (torch.)?int64 or (torch.)?uint8 labels",
    ),
    "accurate, labels in int32": (
        lambda f: f.accurate_cross_entropy_backward(1.0, X, Y.astype(np.int32)),
        TypeError,
        "target has dtype (torch.)?int32; expected (torch.)?int64 or (torch.)?uint8 labels",
    ),
    "accurate, label too large": (
        lambda f: f.accurate_cross_entropy(X, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2, or -100",
    ),
    "accurate, too few labels": (
        lambda f: f.accurate_cross_entropy(X, Y[:1]),
        ValueError,
        "target has shape (1,); expected (2,), for labels of logits (2, 3)",
    ),
    "accurate, logits of integers": (
        lambda f: f.accurate_cross_entropy(X.astype(np.int64), Y),
        TypeError,
        "logits has dtype (torch.)?int64; expected one of",
    ),
    "accurate, class weights do not fit": (
        lambda f: f.accurate_cross_entropy(X, Y, weight=np.ones(2)),
        ValueError,
        "weight has shape (2,); expected (3,), one for each class",
    ),
    "accurate, unknown reduction": (
        lambda f: f.accurate_cross_entropy(X, Y, reduction="avg"),
        ValueError,
        "reduction is 'avg'; expected one of mean, sum, none",
    ),
    "accurate, upstream of no reduction": (
        lambda f: f.accurate_cross_entropy_backward(1.0, X, Y, reduction="none"),
        ValueError,
        "grad_output has shape (); expected (2,)",
    ),
}
