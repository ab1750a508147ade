"""Ordinary problems of every operation, drawn from a generator: normal logits, up to 3000 classes or 200 rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from softproof import Problem
from softproof.problem.formats import FORMATS

_OF_ROWS = ("logsumexp", "softmax_entropy")  # one number for each row
Kind = Callable[[np.random.Generator, str], Problem]


def _rows(operation: str) -> Kind:
    def draw(rng: np.random.Generator, dtype: str) -> Problem:
        fmt, shape = FORMATS[dtype], (int(rng.integers(1, 9)), int(np.exp(rng.uniform(np.log(2), np.log(3000)))))
        x, g = fmt.round(rng.normal(0, rng.choice([0.3, 1, 3]), shape)), fmt.round(rng.normal(size=shape))
        return Problem(operation, dtype, {"logits": x}, {"dim": -1}, g[:, 0] if operation in _OF_ROWS else g)

    return draw


def _divergence(rng: np.random.Generator, dtype: str) -> Problem:
    of_p = _rows("softmax_entropy")(rng, dtype)
    x = of_p.inputs["logits"]
    inputs = {"p_logits": x, "q_logits": FORMATS[dtype].round(rng.normal(size=x.shape))}
    return Problem("softmax_kl_divergence", dtype, inputs, {"dim": -1}, of_p.grad_output)


def _losses(reduction: str, *, labels: bool, epsilon: float = 0.0, weights: bool = False) -> Kind:
    def draw(rng: np.random.Generator, dtype: str) -> Problem:
        fmt, n, c = FORMATS[dtype], int(rng.integers(1, 200)), int(np.exp(rng.uniform(np.log(2), np.log(300))))
        inputs: dict[str, Any] = {"logits": fmt.round(rng.normal(0, rng.choice([0.3, 1, 3]), (n, c)))}
        inputs["target"] = rng.integers(0, c, n) if labels else fmt.round(rng.dirichlet(np.ones(c), n))
        inputs |= {"weight": fmt.round(rng.uniform(0.3, 3, c))} if weights else {}
        g = fmt.round(rng.normal(size=n)) if reduction == "none" else 1.0
        return Problem("cross_entropy", dtype, inputs, {"reduction": reduction, "label_smoothing": epsilon}, g)

    return draw


def _layer(*, loss: bool) -> Kind:
    def draw(rng: np.random.Generator, dtype: str) -> Problem:
        fmt, (n, c, d) = FORMATS[dtype], rng.integers(2, 100, 3)
        x, w, b = (fmt.round(rng.normal(size=shape) / 8) for shape in ((n, d), (c, d), (c,)))
        if not loss:
            return Problem(
                "linear", dtype, {"input": x, "weight": w, "bias": b}, {}, fmt.round(rng.normal(size=(n, c)))
            )
        inputs = {"input": x, "linear_weight": w, "linear_bias": b, "target": rng.integers(0, c, n)}
        return Problem("linear_cross_entropy", dtype, inputs, {"reduction": "mean"}, 1.0)

    return draw


KINDS: dict[str, Kind] = {
    **{each: _rows(each) for each in ("softmax", "log_softmax", *_OF_ROWS)},
    "softmax_kl_divergence": _divergence,
    **{f"loss, labels, {each}": _losses(each, labels=True) for each in ("none", "sum", "mean")},
    "loss, weighted labels, mean": _losses("mean", labels=True, weights=True),
    **{f"loss, smoothed, {each}": _losses(each, labels=True, epsilon=0.1) for each in ("none", "mean")},
    **{f"loss, probabilities, {each}": _losses(each, labels=False) for each in ("none", "mean")},
    "linear": _layer(loss=False),
    "linear cross-entropy": _layer(loss=True),
}
