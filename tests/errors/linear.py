"""The layer, the classifier, and the article's steps on one sample."""

from __future__ import annotations

import numpy as np

from .inputs import Q, Table, V, W, X, Y

LINEAR: Table = {
    "features do not fit": (
        lambda f: f.linear(X, W),
        ValueError,
        "input has shape (2, 3) and weight (3, 4); their last dimensions should be equal",
    ),
    "weight is not a matrix": (lambda f: f.linear(X, X[0]), ValueError, "weight (3,); expected (…, D) and (C, D)"),
    "bias does not fit": (lambda f: f.linear(V, W, np.ones(4)), ValueError, "bias has shape (4,); expected (3,)"),
    "upstream of linear": (
        lambda f: f.linear_backward(X[:, :2], V, W),
        ValueError,
        "grad_output has shape (2, 2); expected (2, 3)",
    ),
    "classifier of a cube": (
        lambda f: f.linear_cross_entropy(np.ones((2, 2, 4)), W, Y),
        ValueError,
        "input has shape (2, 2, 4) and linear_weight",
    ),
    "classifier of many positions without a batch": (
        lambda f: f.linear_cross_entropy(V[0], np.ones((3, 2, 4)), Y),
        ValueError,
        "linear_weight (3, 2, 4); expected (D,) or (N, D), and (C, D) or, for (N, D) alone, (C, d1, …, D)",
    ),
    "bias of many positions": (
        lambda f: f.linear_cross_entropy(V, np.ones((3, 2, 4)), np.zeros((2, 2), int), linear_bias=np.ones(3)),
        ValueError,
        "linear_bias has shape (3,); expected (3, 2)",
    ),
    "classifier of two dtypes": (
        lambda f: f.linear_cross_entropy(V, W.astype(np.float32), Y),
        TypeError,
        "linear_weight has dtype (torch.)?float32; expected (torch.)?float64, that of input",
    ),
    "classifier with a label too large": (
        lambda f: f.linear_cross_entropy_backward(1.0, V, W, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2",
    ),
    "a batch where one sample is meant": (
        lambda f: f.weight_gradient_fused(V, W, Q[0]),
        ValueError,
        "input has shape (2, 4); expected (D,), one sample",
    ),
    "target of another length": (
        lambda f: f.weight_gradient_over_all_paths(V[0], W, np.ones(2)),
        ValueError,
        "target has shape (2,); expected (3,), one for each row of the weight",
    ),
    "path too far": (
        lambda f: f.weight_gradient_through_one_path(V[0], W, Q[0], 3),
        IndexError,
        "path is 3; expected a class from 0 to 2",
    ),
    "p and y of two lengths": (
        lambda f: f.probabilities_gradient(Q[0], Q[0, :2]),
        ValueError,
        "target has shape (2,); expected (3,), that of p",
    ),
}
