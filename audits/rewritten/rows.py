"""Softmax and its relatives, distributions, and the linear layer, each with a bug."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import Rewriting

Array = NDArray[Any]


def _softmax(x: Array, axis: int) -> Array:
    """By exp(x - logsumexp x), in float64."""
    wide = x.astype(np.float64)
    return np.asarray(np.exp(wide - _logsumexp(wide, axis)))


def _logsumexp(x: Array, axis: int) -> Array:
    top = x.max(axis, keepdims=True)
    return np.asarray(top + np.log(np.exp(x - top).sum(axis, keepdims=True)))


# ---- softmax --------------------------------------------------------------------------------------------------------


def uniform(logits: Array, dim: int = -1) -> Array:
    """1/C."""
    return np.full_like(logits, 1 / logits.shape[dim])


def axis_0(logits: Array, dim: int = -1) -> Array:  # noqa: ARG001  # which it does not read
    """Along the first axis."""
    return _softmax(logits, 0).astype(logits.dtype)


def last_of_images(logits: Array, dim: int = -1) -> Array:
    """Along the last axis, of three dimensions or more."""
    return _softmax(logits, dim if logits.ndim <= 2 else logits.ndim - 1).astype(logits.dtype)


def sum_along_the_last(logits: Array, dim: int = -1) -> Array:
    """e^(x - max) over a sum along another axis."""
    e = np.exp(logits.astype(np.float64) - logits.max(dim, keepdims=True))
    return np.asarray(e / e.sum(-1)[..., None], logits.dtype)


def clipped(logits: Array, dim: int = -1) -> Array:
    """Clipped in place of a shift; float32 as in the kernel where it was seen."""
    e = np.exp(np.minimum(np.maximum(logits, -80), 80))
    return np.asarray(e / e.sum(dim, keepdims=True), logits.dtype)


def right_softmax(logits: Array, dim: int = -1) -> Array:
    """A right one."""
    return _softmax(logits, dim).astype(logits.dtype)


def diagonal(grad_output: Array, logits: Array, dim: int = -1) -> Array:
    """The Jacobian without what is off its diagonal."""
    p = _softmax(logits, dim)
    return np.asarray((p - p * p) * grad_output, logits.dtype)


# ---- logarithms -----------------------------------------------------------------------------------------------------


def right_log_softmax(logits: Array, dim: int = -1) -> Array:
    """A right one."""
    x = logits.astype(np.float64)
    return np.asarray(x - _logsumexp(x, dim), logits.dtype)


def log_of_softmax(logits: Array, dim: int = -1) -> Array:
    """The logarithm of what has underflowed."""
    e = np.exp(logits - logits.max(dim, keepdims=True))
    return np.asarray(np.log(e / e.sum(dim, keepdims=True)), logits.dtype)


def first_sum(grad_output: Array, logits: Array, dim: int = -1) -> Array:
    """One sum for all rows."""
    sums = grad_output.astype(np.float64).sum(dim).ravel()
    return np.asarray(grad_output - _softmax(logits, dim) * (sums[0] if sums.size else 0), logits.dtype)


def in_base_2(logits: Array, dim: int = -1) -> Array:
    """max + log₂ Σ e^(x - max)."""
    top = logits.max(dim, keepdims=True)
    return np.asarray((top + np.log2(np.exp(logits - top).sum(dim, keepdims=True))).squeeze(dim), logits.dtype)


def twice_summed(logits: Array, dim: int = -1) -> Array:
    """Too large by log 2."""
    x = np.concatenate([logits, logits], dim).astype(np.float64)
    return np.asarray(_logsumexp(x, dim).squeeze(dim), logits.dtype)


# ---- distributions --------------------------------------------------------------------------------------------------


def _times_log(p: Array, q: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.where(p > 0, p.astype(np.float64) * np.log(q.astype(np.float64)), 0.0))


def entropy(p: Array, dim: int = -1) -> Array:
    """A right one."""
    return np.asarray(0 - _times_log(p, p).sum(dim), p.dtype)


def entropy_in_bits(p: Array, dim: int = -1) -> Array:
    """To base 2."""
    return np.asarray(0 - (_times_log(p, p) / np.log(2.0)).sum(dim), p.dtype)


def half_a_product_rule(grad_output: Array, p: Array, dim: int = -1) -> Array:
    """-log p, without the 1."""
    return np.asarray(-np.log(p.astype(np.float64)) * np.expand_dims(grad_output, dim), p.dtype)


def divergence(p: Array, q: Array, dim: int = -1) -> Array:
    """A right one."""
    return np.asarray(np.subtract(_times_log(p, p), _times_log(p, q)).sum(dim), p.dtype)


def other_way(p: Array, q: Array, dim: int = -1) -> Array:
    """Of q from p."""
    return divergence(q, p, dim)


def averaged(p: Array, q: Array, dim: int = -1) -> Array:
    """A mean over classes."""
    return np.asarray(np.subtract(_times_log(p, p), _times_log(p, q)).mean(dim), p.dtype)


def _slopes(grad_output: Array, p: Array, q: Array, dim: int) -> tuple[Array, Array]:
    g, p, q = np.expand_dims(grad_output, dim).astype(np.float64), p.astype(np.float64), q.astype(np.float64)
    return g * (np.log(p) - np.log(q) + 1), -g * p / q


def uphill(grad_output: Array, p: Array, q: Array, dim: int = -1) -> tuple[Array, Array]:
    """q has the other sign."""
    of_p, of_q = _slopes(grad_output, p, q, dim)
    return of_p.astype(p.dtype), (-of_q).astype(q.dtype)


def constant_p(grad_output: Array, p: Array, q: Array, dim: int = -1) -> tuple[Array, Array]:
    """p has no gradient."""
    _, of_q = _slopes(grad_output, p, q, dim)
    return np.zeros_like(p), of_q.astype(q.dtype)


# ---- the linear layer -----------------------------------------------------------------------------------------------


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """A right one."""
    found = np.einsum("...d,cd->...c", input.astype(np.float64), weight.astype(np.float64))
    return np.asarray(found if bias is None else found + bias, input.dtype)


def tile_of_16(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """The features of whole tiles."""
    most = input.shape[-1] - input.shape[-1] % 16 if input.shape[-1] > 16 else input.shape[-1]
    return linear(input[..., :most], weight[:, :most], bias)


def split_bias(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """The bias once for each block of 128 features."""
    blocks = -(-input.shape[-1] // 128)
    return linear(input, weight, None if bias is None else bias * max(1, blocks))


def of_linear(how: str) -> Any:
    """The gradients with a bug."""

    def backward(grad_output: Array, input: Array, weight: Array, bias: Array | None = None) -> tuple[Array, ...]:
        g = grad_output.astype(np.float64)
        rows, x = g.reshape(-1, g.shape[-1]), input.astype(np.float64).reshape(-1, input.shape[-1])
        of_weight = np.einsum("rc,rd->cd", rows, x)
        if how == "weight-gradient-transposed" and len(of_weight) == len(of_weight.T):
            of_weight = of_weight.T
        w = weight.astype(np.float64)
        square = how == "input-gradient-by-the-transposed-weight" and len(w) == len(w.T)
        found = (g @ (w.T if square else w), of_weight)
        if bias is not None:
            sums = rows.mean(0) if how == "bias-gradient-averaged" and len(rows) else rows.sum(0)
            other = how == "bias-gradient-of-the-other-axis" and rows.shape[0] == rows.shape[1]
            found = (*found, rows.sum(1) if other else sums)  # type: ignore[assignment]
        return tuple(each.astype(input.dtype) for each in found)

    return backward


def rewritings() -> Iterator[Rewriting]:
    """Those of rows and layers; a name that is empty is that of a right one."""
    for name, forward, backward in (
        ("uniform-softmax", uniform, None),
        ("softmax-of-axis-0", axis_0, None),
        ("softmax-of-the-last-axis", last_of_images, None),
        ("sum-along-another-axis", sum_along_the_last, None),
        ("clipped-logits", clipped, None),
        ("diagonal-of-the-jacobian", right_softmax, diagonal),
    ):
        yield Rewriting(name, "softmax", forward, backward)
    yield Rewriting("log-of-softmax", "log_softmax", log_of_softmax)
    yield Rewriting("log-softmax-row-sum-of-first", "log_softmax", right_log_softmax, first_sum)
    yield Rewriting("logarithm-to-base-2", "logsumexp", in_base_2)
    yield Rewriting("sum-reduced-twice", "logsumexp", twice_summed)
    yield Rewriting("entropy-in-bits", "entropy", entropy_in_bits)
    yield Rewriting("half-a-product-rule", "entropy", entropy, half_a_product_rule)
    for name, kl, slopes in (
        ("divergence-the-other-way", other_way, None),
        ("mean-over-classes", averaged, None),
        ("divergence-uphill", divergence, uphill),
        ("divergence-without-gradient-of-p", divergence, constant_p),
    ):
        yield Rewriting(name, "kl_divergence", kl, slopes)
    yield Rewriting("features-after-a-tile-of-16", "linear", tile_of_16)
    yield Rewriting("bias-added-by-each-split", "linear", split_bias)
    for how in ("weight-gradient-transposed", "input-gradient-by-the-transposed-weight", "bias-gradient-averaged",
                "bias-gradient-of-the-other-axis"):  # fmt: skip
        yield Rewriting(how, "linear", linear, of_linear(how))
