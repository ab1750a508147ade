"""Softmax, log-softmax, logsumexp and the entropy of a softmax: `dim`, the upstream gradient and the direction."""

from __future__ import annotations

import numpy as np

from .inputs import Table, X, Y

SOFTMAX: Table = {
    "entropy of a number alone": (
        lambda f: f.softmax_entropy(1.0),
        IndexError,
        "dim is -1; logits of shape () has dims",
    ),
    "entropy of no class": (
        lambda f: f.softmax_entropy(np.ones((2, 0))),
        ValueError,
        "logits of shape (2, 0) has no elements along dim -1; expected at least one",
    ),
    "two shapes of logits": (
        lambda f: f.softmax_kl_divergence(X, X[0]),
        ValueError,
        "q_logits has shape (3,); expected (2, 3), that of p_logits",
    ),
    "upstream of the divergence of softmaxes": (
        lambda f: f.softmax_kl_divergence_backward(X, X, X),
        ValueError,
        "grad_output has shape (2, 3); expected (2,)",
    ),
    "upstream of the entropy of a softmax": (
        lambda f: f.softmax_entropy_backward(X, X),
        ValueError,
        "grad_output has shape (2, 3); expected (2,)",
    ),
    "softmax of integers": (lambda f: f.softmax([1, 2]), TypeError, "logits has dtype (torch.)?int64; expected one of"),
    "dim of a number": (lambda f: f.softmax(1.0, 1), IndexError, "dim is 1; logits of shape () has dims -1 to 0"),
    "a dim twice": (
        lambda f: f.logsumexp(X, (0, -2)),
        ValueError,
        "dim is (0, -2); expected at least one, and each once",
    ),
    "no dim": (lambda f: f.logsumexp_backward(Y, X, ()), ValueError, "dim is (); expected at least one"),
    "several dims of softmax": (lambda f: f.softmax(X, (0, 1)), TypeError, "dim is (0, 1); expected an integer"),
    "one dim not an integer": (lambda f: f.logsumexp(X, (0, 0.5)), TypeError, "dim is 0.5; expected an integer"),
    "one dim too large": (lambda f: f.logsumexp(X, (0, 2)), IndexError, "dim is 2; logits of shape (2, 3) has dims"),
    "keepdim": (lambda f: f.logsumexp(X, -1, 1), TypeError, "keepdim is 1; expected True or False"),
    "upstream without the kept dim": (
        lambda f: f.logsumexp_backward(np.ones(2), X, -1, True),
        ValueError,
        "grad_output has shape (2,); expected (2, 1)",
    ),
    "dim too large": (lambda f: f.softmax(X, 2), IndexError, "dim is 2; logits of shape (2, 3) has dims -2 to 1"),
    "dim too small": (lambda f: f.log_softmax(X, -3), IndexError, "dim is -3; logits of shape (2, 3) has dims -2 to 1"),
    "dim not an integer": (lambda f: f.softmax(X, 0.5), TypeError, "dim is 0.5; expected an integer"),
    "upstream shape": (
        lambda f: f.softmax_backward(X[0], X),
        ValueError,
        "grad_output has shape (3,); expected (2, 3)",
    ),
    "upstream dtype": (
        lambda f: f.log_softmax_backward(X.astype(np.float32), X),
        TypeError,
        "grad_output has dtype (torch.)?float32; expected (torch.)?float64",
    ),
    "upstream of logsumexp": (
        lambda f: f.logsumexp_backward(X, X),
        ValueError,
        "grad_output has shape (2, 3); expected (2,)",
    ),
    "tangent shape": (
        lambda f: f.softmax_jvp(X[0], X),
        ValueError,
        "tangent has shape (3,); expected (2, 3), that of the logits",
    ),
    "tangent dtype": (
        lambda f: f.log_softmax_hvp(X.astype(np.float32), X, X),
        TypeError,
        "tangent has dtype (torch.)?float32; expected (torch.)?float64, that of logits",
    ),
    "upstream of a second derivative": (
        lambda f: f.logsumexp_hvp(X, X, X),
        ValueError,
        "grad_output has shape (2, 3); expected (2,)",
    ),
    "dim too large, in a direction": (
        lambda f: f.logsumexp_jvp(X, X, 2),
        IndexError,
        "dim is 2; logits of shape (2, 3) has dims -2 to 1",
    ),
    "jacobian of integers": (
        lambda f: f.softmax_jacobian([1, 2]),
        TypeError,
        "logits has dtype (torch.)?int64; expected one of",
    ),
    "direction of log-softmax": (
        lambda f: f.log_softmax_jvp(X[0], X),
        ValueError,
        "tangent has shape (3,); expected (2, 3), that of the logits",
    ),
    "upstream of the second derivative of softmax": (
        lambda f: f.softmax_hvp(X, X[0], X),
        ValueError,
        "grad_output has shape (3,); expected (2, 3)",
    ),
}
