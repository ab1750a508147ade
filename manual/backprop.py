"""The article's network, a = W x, p = softmax(a), L = -Σ y log p, and its gradients, step by step and fused.

Section 2.3 of the article takes the chain rule factor by factor: ∂L/∂p_i = -y_i / p_i, the Jacobian ∂p_i/∂a_k, and
∂a_k/∂w_kj = x_j. Every p_i depends on every a_k, so the chain runs over all C paths:

    ∂L/∂w_kj = Σ_i  ∂L/∂p_i · ∂p_i/∂a_k · ∂a_k/∂w_kj = (p_k Σ_i y_i - y_k) x_j,

which is (p_k - y_k) x_j when y sums to 1. docs/theory/backprop.md derives it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array, floats, integer, plain, quiet, shaped, shown, working
from .cross_entropy import cross_entropy, cross_entropy_backward
from .linear import linear, linear_backward
from .softmax import softmax, softmax_jacobian

# ---- the article's steps, for one sample x (D,) with target y (C,) ---------------------------------------------------


def _sample(input: ArrayLike, weight: ArrayLike, target: ArrayLike) -> tuple[Array, Array, Array]:
    x = floats("input", input)
    if x.ndim != 1:
        raise ValueError(f"input has shape {x.shape}; expected (D,), one sample")
    a = linear(x, weight)  # (C,)
    return x, a, shaped("target", floats("target", target, x, "input"), a.shape, "one for each row of the weight")


@quiet
def probabilities_gradient(p: ArrayLike, target: ArrayLike) -> Array:
    """First factor: ∂L/∂p_i = -y_i / p_i (article, 2.3).

    Args:
        p: probabilities (C,), target: y (C,) of the same dtype.
    Returns: ∂L/∂p (C,).
    Raises: ValueError or TypeError when the target does not fit.

    >>> probabilities_gradient([0.25, 0.75], [0.0, 1.0]).round(4)
    array([-0.    , -1.3333])
    """
    probabilities = floats("p", p)
    y = shaped("target", floats("target", target, probabilities, "p"), probabilities.shape, "that of p")
    return np.asarray(-y / probabilities)


@quiet
def weight_gradient_through_one_path(input: ArrayLike, weight: ArrayLike, target: ArrayLike, path: int) -> Array:
    """One term of the sum over all paths, that through p_i alone: ∂L/∂p_i · ∂p_i/∂a_k · ∂a_k/∂w_kj.

    Args:
        input: x (D,), weight: W (C, D), target: y (C,); one floating-point dtype.
        path: i in [0, C).
    Returns: (C, D).
    Raises: ValueError, TypeError or IndexError when an argument does not fit.

    >>> weight_gradient_through_one_path([1.0, 2.0], [[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0], path=1)
    array([[ 0.,  0.],
           [-0., -0.]])
    """
    x, a, y = _sample(input, weight, target)
    if not 0 <= (path := integer("path", path)) < len(a):
        raise IndexError(f"path is {shown(path)}; expected a class from 0 to {len(a) - 1}")
    dl_dp = probabilities_gradient(softmax(a), y)[path]  # ∂L/∂p_i: ()
    dp_da = softmax_jacobian(a)[path]  # ∂p_i/∂a_k for every k: (C,)
    da_dw = x  # ∂a_k/∂w_kj = x_j, the same for every k: (D,)
    return np.asarray((dl_dp * dp_da)[:, None] * da_dw)  # (C, D)


@quiet
def weight_gradient_over_all_paths(input: ArrayLike, weight: ArrayLike, target: ArrayLike) -> Array:
    """The whole chain, one factor after the other: Σ_i ∂L/∂p_i · ∂p_i/∂a_k · ∂a_k/∂w_kj.

    Args, Returns, Raises: as `weight_gradient_through_one_path`, without `path`.

    >>> weight_gradient_over_all_paths([1.0, 2.0], [[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0])
    array([[-0.5, -1. ],
           [ 0.5,  1. ]])
    """
    x, a, y = _sample(input, weight, target)
    dl_dp = probabilities_gradient(softmax(a), y)  # ∂L/∂p_i: (C,)
    dl_da = dl_dp @ softmax_jacobian(a)  # Σ_i ∂L/∂p_i ∂p_i/∂a_k, over all paths: (C,)
    da_dw = x  # ∂a_k/∂w_kj = x_j, the same for every k: (D,)
    return np.asarray(dl_da[:, None] * da_dw)  # (C, D)


@quiet
def weight_gradient_fused(input: ArrayLike, weight: ArrayLike, target: ArrayLike) -> Array:
    """The same gradient with softmax and loss differentiated as one: (p - y) xᵀ, or (p Σy - y) xᵀ when Σy is not 1.

    Args, Returns, Raises: as `weight_gradient_over_all_paths`.

    >>> weight_gradient_fused([1.0, 2.0], [[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0])
    array([[-0.5, -1. ],
           [ 0.5,  1. ]])
    """
    x, a, y = _sample(input, weight, target)
    dl_da = softmax(a) * y.sum() - y  # (C,)
    return np.asarray(dl_da[:, None] * x)  # (C, D)


# ---- the same network for batches and all options of the loss -------------------------------------------------------


def _wide(values: ArrayLike | None) -> Any:
    """Half precision widened to the working precision; the rest, and None, as it is."""
    array = None if values is None else np.asarray(values)
    return array if array is None or array.dtype != np.float16 else array.astype(working(array.dtype))


def _same_dtype(input: ArrayLike, **others: ArrayLike | None) -> Array:
    """`input` as an array; TypeError where another argument has another dtype."""
    x = floats("input", input)
    for name, other in others.items():
        if other is None and name in ("linear_weight", "target"):
            raise TypeError(f"{name} is None; expected an array")
        if other is not None and (name != "target" or plain(name, other).dtype.kind == "f"):
            floats(name, other, x, "input")
    return x


def _classifier(x: Array, linear_weight: ArrayLike, linear_bias: ArrayLike | None) -> tuple[Array, Array, Array | None]:
    """x (N, D), W as a matrix, (C, D) or (C d1 …, D), and b (C,) or (C d1 …,), half precision widened."""
    w = np.asarray(linear_weight)
    shapes = f"input has shape {x.shape} and linear_weight {w.shape}"
    if x.ndim not in (1, 2) or w.ndim < 2 or (w.ndim > 2 and x.ndim == 1):
        raise ValueError(f"{shapes}; expected (D,) or (N, D), and (C, D) or, for (N, D) alone, (C, d1, …, D)")
    if x.shape[-1] != w.shape[-1]:
        raise ValueError(f"{shapes}; their last dimensions should be equal")
    rows = w.reshape(int(np.prod(w.shape[:-1])), w.shape[-1])
    if linear_bias is None:
        return _wide(x), _wide(rows), None
    b = shaped("linear_bias", np.asarray(linear_bias), w.shape[:-1], "that of linear_weight without the last dimension")
    return _wide(x), _wide(rows), _wide(b.reshape(-1))


def _logits(x: Array, w: Array, b: Array | None, linear_weight: ArrayLike) -> Array:
    """a = W x + b (C,), (N, C) or (N, C, d1, …)."""
    return linear(x, w, b).reshape(*x.shape[:-1], *np.shape(linear_weight)[:-1])


@quiet
def linear_cross_entropy(
    input: ArrayLike,
    linear_weight: ArrayLike,
    target: ArrayLike,
    *,
    linear_bias: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Cross-entropy of a linear classifier: cross_entropy(linear(input, linear_weight, linear_bias), target, …).

    Equation: a = W x + b, then the loss of `manual.cross_entropy`. In half precision the logits stay in float32.

    In the K-dimensional form W is (C, d1, …, D), with one classifier for each of the positions d1, …; the logits are
    a_n,c,d1,… = Σ_j W_c,d1,…,j x_nj + b_c,d1,…, (N, C, d1, …).

    Args:
        input: x (D,) or (N, D); float64, float32 or float16.
        linear_weight: W (C, D), or (C, d1, …, D) for x (N, D); linear_bias: b of the shape of W without D, or None;
            of the dtype of `input`.
        target, weight, ignore_index, reduction, label_smoothing: as in `manual.cross_entropy`.
    Returns: the loss, of the dtype of `input`.
    Raises: as `manual.linear` and `manual.cross_entropy`.
    Error: docs/theory/bounds.md, Theorem 12.

    >>> eye = np.eye(3)
    >>> float(linear_cross_entropy(np.array([1.4, 3.2, 5.0]), eye, np.array(2)).round(4))
    0.1762
    """
    x = _same_dtype(input, linear_weight=linear_weight, target=target, linear_bias=linear_bias, weight=weight)
    loss = cross_entropy(
        _logits(*_classifier(x, linear_weight, linear_bias), linear_weight),
        _wide(target),
        weight=_wide(weight),
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
    return loss.astype(x.dtype, copy=False)


@quiet
def linear_cross_entropy_backward(
    grad_output: ArrayLike,
    input: ArrayLike,
    linear_weight: ArrayLike,
    target: ArrayLike,
    *,
    linear_bias: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[Array, Array, Array | None]:
    """Gradients of input, linear weight and linear bias.

    Equations: `manual.cross_entropy_backward` gives ∂L/∂a, and `manual.linear_backward` the rest from it.

    Args:
        grad_output: ∂/∂loss, the shape of the loss and the dtype of `input`, or a Python number.
        the rest: as given to `linear_cross_entropy`.
    Returns: (∂L/∂x, ∂L/∂W, ∂L/∂b), each of the shape of its variable; the last is None without a bias.
    Raises: as `linear_cross_entropy`.
    Error: docs/theory/bounds.md, Theorem 12.

    >>> grads = linear_cross_entropy_backward(1.0, np.array([1.0, 2.0]), np.zeros((2, 2)), np.array(0))
    >>> grads[1]
    array([[-0.5, -1. ],
           [ 0.5,  1. ]])
    """
    x = _same_dtype(input, linear_weight=linear_weight, target=target, linear_bias=linear_bias, weight=weight)
    g = floats("grad_output", grad_output, x, "input")
    wide, w, b = _classifier(x, linear_weight, linear_bias)
    grads = cross_entropy_backward(
        _wide(g),
        _logits(wide, w, b, linear_weight),
        _wide(target),
        weight=_wide(weight),
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
    grad_a = grads[0] if isinstance(grads, tuple) else grads  # (C,), (N, C) or (N, C, d1, …)
    grad_x, grad_w, grad_b = linear_backward(grad_a.reshape(*x.shape[:-1], len(w)), wide, w, b)
    grad_w = grad_w.reshape(np.shape(linear_weight)).astype(x.dtype, copy=False)
    narrow = None if grad_b is None else grad_b.reshape(grad_w.shape[:-1]).astype(x.dtype, copy=False)
    return grad_x.astype(x.dtype, copy=False), grad_w, narrow
