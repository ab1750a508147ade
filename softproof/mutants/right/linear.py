"""The linear layer: inner products in any order, all at once, in blocks of features, or in chunks of rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...problem.problem import Array
from . import sums
from .record import Answer, Asked, Formula, Right
from .sums import Order, Sum


def products(x: Array, w: Array, sum: Sum, bias: Array | None = None) -> Array:
    """x wᵀ (R, C), the bias as one more term of the sum."""
    terms = x[:, None, :] * w[None]  # (R, C, D)
    if bias is not None:
        terms = np.concatenate((np.broadcast_to(bias[:, None], (*terms.shape[:2], 1)), terms), -1)
    return sum(terms)[..., 0]


def _matrix(array: Array) -> Array:
    return array.reshape(int(np.prod(array.shape[:-1])), array.shape[-1])


def _parts(asked: Asked) -> tuple[Array, Array, Array | None]:
    bias = asked.array("bias") if "bias" in asked.problem.inputs else None
    return _matrix(asked.array("input")), asked.array("weight"), bias


def _upstream(asked: Asked) -> Array:
    return _matrix(np.asarray(asked.problem.grad_output).astype(asked.dtype))


def _flat(found: dict[str, Array | None]) -> Answer:
    return {name: array.reshape(1, -1) for name, array in found.items() if array is not None}


def of_sums(*, bias_first: bool) -> Formula:
    """Every inner product by itself; the bias before all products, or after them."""

    def formula(asked: Asked) -> Answer:
        x, w, b = _parts(asked)
        value = products(x, w, asked.sum, b if bias_first else None)
        outputs: dict[str, Array | None] = {"value": value if b is None or bias_first else value + b}
        if asked.differentiates:
            g, sum = _upstream(asked), asked.sum.intact  # noqa: A001
            outputs |= {"grad_input": products(g, w.T, sum), "grad_weight": products(g.T, x.T, sum),
                      "grad_bias": sum(g.T)[:, 0]}  # fmt: skip
        return _flat(outputs)

    return formula


def of_matrices(asked: Asked) -> Answer:
    """Matrix products of the library, the value in blocks of features, the gradient of the bias by ones."""
    x, w, b = _parts(asked)
    blocks = [x[:, k : k + 5] @ w[:, k : k + 5].T for k in range(0, x.shape[1], 5)]
    value = asked.sum(np.stack(blocks, -1))[..., 0]
    outputs: dict[str, Array | None] = {"value": value if b is None else value + b}
    if asked.differentiates:
        g = _upstream(asked)
        outputs |= {"grad_input": g @ w, "grad_weight": g.T @ x, "grad_bias": np.ones(len(g), g.dtype) @ g}
    return _flat(outputs)


def in_chunks(asked: Asked) -> Answer:
    """Rows in chunks of seven; the gradients of weight and bias are added up over chunks, or row by row."""
    x, w, b = _parts(asked)
    starts = range(0, len(x), 7)
    values = [products(x[k : k + 7], w, asked.sum) for k in starts]
    value = np.concatenate([np.zeros((0, len(w)), x.dtype), *values])
    outputs: dict[str, Array | None] = {"value": value if b is None else b + value}
    if asked.differentiates:
        g, of_w = _upstream(asked), np.zeros_like(w)
        for k in starts:
            of_w += g[k : k + 7].T @ x[k : k + 7]
        of_b = np.zeros(len(w), x.dtype)
        np.add.at(of_b, np.tile(np.arange(len(w)), len(g)), g.reshape(-1))
        outputs |= {"grad_input": g @ w, "grad_weight": of_w, "grad_bias": of_b}
    return _flat(outputs)


def variants() -> Iterator[Right]:
    """The linear layer: any order."""
    entries: list[tuple[Formula, str, Order]] = [
        (of_sums(bias_first=True), "the bias first", sums.sequential),
        (of_sums(bias_first=True), "the bias among the products", sums.random_tree),
        (of_sums(bias_first=False), "the bias last", sums.backwards),
        (of_sums(bias_first=False), "the bias last", sums.kahan),
        (of_sums(bias_first=False), "the bias last", sums.in_float64),
        (of_matrices, "blocks of features", sums.sequential),
        (in_chunks, "chunks of rows", sums.pairwise),
    ]
    for formula, words, order in entries:
        yield Right("linear", formula, Sum(order), words)
