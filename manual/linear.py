"""The linear layer, the article's a = W x, and its gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array, floats, quiet, shaped, working


def _checked(input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None) -> tuple[Array, Array, Array | None]:
    x = floats("input", input)
    w = floats("weight", weight, x, "input")
    if x.ndim == 0 or w.ndim != 2:
        raise ValueError(f"input has shape {x.shape} and weight {w.shape}; expected (…, D) and (C, D)")
    if x.shape[-1] != w.shape[1]:
        raise ValueError(f"input has shape {x.shape} and weight {w.shape}; their last dimensions should be equal")
    if bias is None:
        return x, w, None
    return x, w, shaped("bias", floats("bias", bias, x, "input"), w.shape[:1], "one for each row of the weight")


@quiet
def linear(input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Array:
    """Linear layer a = W x + b for every x.

    Equation (article, 1.2; torch.nn.functional.linear): a_k = Σ_j w_kj x_j + b_k.

    Args:
        input: x (…, D); float64, float32 or float16.
        weight: W (C, D), bias: b (C,) or None; of the dtype of `input`.
    Returns: a (…, C), of the dtype of `input`.
    Raises: ValueError or TypeError when shapes or dtypes do not fit.
    Error: docs/theory/bounds.md, Theorem 8.

    >>> linear([1.0, 2.0, 3.0], [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]).round(2)
    array([1.4, 3.2, 5. ])
    """
    x, w, b = _checked(input, weight, bias)
    work = working(x.dtype)
    a = x.astype(work, copy=False) @ w.astype(work, copy=False).T  # (…, C)
    if b is not None:
        a = a + b
    return np.asarray(a).astype(x.dtype, copy=False)


@quiet
def linear_backward(
    grad_output: ArrayLike, input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None
) -> tuple[Array, Array, Array | None]:
    """Gradients of input, weight and bias, given that of a = W x + b.

    Equations, with g = ∂L/∂a and the sums over all samples n:

        ∂L/∂x_nj = Σ_k g_nk w_kj,    ∂L/∂w_kj = Σ_n g_nk x_nj,    ∂L/∂b_k = Σ_n g_nk.

    Args:
        grad_output: g (…, C), of the dtype of `input`.
        input, weight, bias: as given to `linear`.
    Returns: (∂L/∂x, ∂L/∂W, ∂L/∂b), each of the shape of its variable; the last is None without a bias.
    Raises: as `linear`.
    Error: docs/theory/bounds.md, Theorem 8.

    >>> linear_backward([1.0], [2.0, 3.0], [[4.0, 5.0]])
    (array([4., 5.]), array([[2., 3.]]), None)
    """
    x, w, b = _checked(input, weight, bias)
    expected = (*x.shape[:-1], len(w))
    g = shaped("grad_output", floats("grad_output", grad_output, x, "input"), expected, "that of the output")
    work = working(x.dtype)
    count = int(np.prod(x.shape[:-1]))
    rows = g.reshape(count, len(w)).astype(work, copy=False)  # (N, C)
    samples = x.reshape(count, w.shape[1])  # (N, D)
    grad_input = (rows @ w.astype(work, copy=False)).reshape(x.shape)
    grad_weight = rows.T @ samples.astype(work, copy=False)  # (C, D)
    grad_bias = None if b is None else rows.sum(0).astype(x.dtype, copy=False)  # (C,)
    return grad_input.astype(x.dtype, copy=False), grad_weight.astype(x.dtype, copy=False), grad_bias
