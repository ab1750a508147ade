"""The loss: labels, probabilities, class weights and options."""

from __future__ import annotations

import numpy as np

from .inputs import Q, Table, X, Y

CROSS_ENTROPY: Table = {
    "no classes": (lambda f: f.cross_entropy(X[:, :0], Y), ValueError, "logits of shape (2, 0) has no elements along"),
    "tangent of a loss": (
        lambda f: f.cross_entropy_jvp(X[0], X, Y),
        ValueError,
        "tangent has shape (3,); expected (2, 3), that of the logits",
    ),
    "upstream of the second derivative of a mean": (
        lambda f: f.cross_entropy_hvp(X, np.ones(2), X, Y),
        ValueError,
        "grad_output has shape (2,); expected ()",
    ),
    "label too large, in a direction": (
        lambda f: f.cross_entropy_hvp(X, 1.0, X, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2, or -100",
    ),
    "logits of no dimension": (
        lambda f: f.cross_entropy(np.float64(1.0), np.array(0)),
        ValueError,
        "logits has shape (); expected (C,), (N, C) or (N, C, d1, …)",
    ),
    "too few labels": (
        lambda f: f.cross_entropy(X, Y[:1]),
        ValueError,
        "target has shape (1,); expected (2,), for labels of logits (2, 3)",
    ),
    "probabilities of another shape": (
        lambda f: f.cross_entropy(X, Q[:1]),
        ValueError,
        "target has shape (1, 3); expected (2, 3), that of the logits, for probabilities",
    ),
    "probabilities of another dtype": (
        lambda f: f.cross_entropy(X, Q.astype(np.float32)),
        TypeError,
        "target has dtype (torch.)?float32; expected (torch.)?float64",
    ),
    "integer one-hot": (
        lambda f: f.cross_entropy(X, np.eye(3, dtype=np.int64)[Y]),
        ValueError,
        "target has shape (2, 3); expected (2,), for labels",
    ),
    "labels in int32": (
        lambda f: f.cross_entropy(X, Y.astype(np.int32)),
        TypeError,
        "target has dtype (torch.)?int32; expected (torch.)?int64 or (torch.)?uint8 labels",
    ),
    "label too large": (
        lambda f: f.cross_entropy(X, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2, or -100",
    ),
    "label negative": (
        lambda f: f.cross_entropy_backward(1.0, X, np.array([-1, 0])),
        IndexError,
        "target holds -1; expected labels from 0 to 2, or -100",
    ),
    "class weights do not fit": (
        lambda f: f.cross_entropy(X, Y, weight=np.ones(2)),
        ValueError,
        "weight has shape (2,); expected (3,), one for each class",
    ),
    "class weights of another dtype": (
        lambda f: f.cross_entropy(X, Y, weight=np.ones(3, np.float32)),
        TypeError,
        "weight has dtype (torch.)?float32; expected (torch.)?float64, that of logits",
    ),
    "unknown reduction": (
        lambda f: f.cross_entropy(X, Y, reduction="avg"),
        ValueError,
        "reduction is 'avg'; expected one of mean, sum, none",
    ),
    "smoothing above 1": (
        lambda f: f.cross_entropy(X, Y, label_smoothing=1.5),
        ValueError,
        "label_smoothing is 1.5; expected a number from 0 to 1",
    ),
    "smoothing below 0, probabilities": (
        lambda f: f.cross_entropy(X, Q, label_smoothing=-0.5),
        ValueError,
        "label_smoothing is -0.5; expected a number from 0 to 1",
    ),
    "smoothing is nan": (
        lambda f: f.cross_entropy(X, Y, label_smoothing=float("nan")),
        ValueError,
        "label_smoothing is nan; expected a number from 0 to 1",
    ),
    "ignore_index with probabilities": (
        lambda f: f.cross_entropy(X, Q, ignore_index=1),
        ValueError,
        "ignore_index is 1; it applies to labels, and target holds probabilities",
    ),
    "upstream of a mean": (
        lambda f: f.cross_entropy_backward(np.ones(2), X, Y),
        ValueError,
        "grad_output has shape (2,); expected ()",
    ),
    "upstream of no reduction": (
        lambda f: f.cross_entropy_backward(1.0, X, Y, reduction="none"),
        ValueError,
        "grad_output has shape (); expected (2,)",
    ),
}
