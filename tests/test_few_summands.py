"""Theorem 30: of a sum of which few terms matter, the bound counts these: in small formats that do their worst."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from softproof import OPERATIONS, Problem, bound, judge, load
from softproof.bounds.algebra import additions, few_additions
from softproof.problem.formats import FORMATS, Floats

from .helpers.small_formats import Machine, small

ROWS = 200


def _summands(rng: np.random.Generator, machine: Machine, large: int, others: int) -> Floats:
    """Some about 1, and some that are about as large as what makes them count, of one sign or of both: (R, n)."""
    ones = rng.uniform(0.5, 1, (ROWS, large))
    u = machine.format.u
    rest = u * large / (large + others) * 2.0 ** rng.uniform(-6, 0, (ROWS, 1)) * rng.uniform(0.5, 1, (ROWS, others))
    signs = rng.choice((-1.0, 1.0), (ROWS, large + others) if rng.random() < 0.5 else ())
    return machine.round(np.concatenate((ones, rest), -1) * signs)


@pytest.mark.parametrize("product", [False, True], ids=["a sum", "an inner product"])
@pytest.mark.parametrize("precision", [4, 6, 9])
def test_no_order_exceeds_it(precision: int, product: bool) -> None:
    """Sums and inner products, fused or not; some come near, and the bound of any order is rarely the better one."""
    rng, worst, fewer = np.random.default_rng(precision), 0.0, 0
    u = 2.0**-precision
    for _ in range(300):
        machine = Machine(small(precision, -60), rng)
        large, others = int(rng.integers(1, 4)), int(rng.integers(1, 12))
        x = _summands(rng, machine, large, others)
        y = machine.round(rng.uniform(1, 2, x.shape)) if product else np.ones_like(x)
        got = machine.dot(x, y) if product else machine.sum(x)
        order = additions(large + others + product, u)
        relative = few_additions(order, np.abs(x * y), u, beside=int(product))
        fewer += int((relative != order).any(-1).sum())
        error = np.abs(got - (x * y).sum(-1, keepdims=True))
        worst = max(worst, float((error / (relative * np.abs(x * y)).sum(-1, keepdims=True)).max()))

    assert 0.6 < worst <= 1
    assert fewer > 300 * ROWS / 3


def test_where_any_order_loses_everything_nothing_is_promised() -> None:
    """n u >= 1, though one term alone matters."""
    size = np.append(1.0, np.full(40, 1e-9))[None]

    assert np.isinf(few_additions(additions(41, 2.0**-5), size, 2.0**-5)).all()
    assert np.isfinite(few_additions(additions(41, 2.0**-6), size, 2.0**-6)).all()


@pytest.mark.parametrize(
    ("operation", "output"),
    [("entropy", "value"), ("kl_divergence", "value"), ("softmax", "value"), ("softmax", "grad_logits"),
     ("softmax_entropy", "value"), ("softmax_entropy", "grad_logits"), ("softmax_kl_divergence", "grad_p_logits")],
)  # fmt: skip
def test_a_long_row_of_few_that_matter_is_as_sharp_as_a_short_one(operation: str, output: str) -> None:
    """64 classes that matter, alone or among 65536."""
    x, allowed = np.random.default_rng(1).normal(size=(1, 64)), []
    for classes in (64, 1 << 16):
        logits = np.append(x, np.full((1, classes - 64), -80.0), -1)
        p = np.exp(logits - logits.max())
        q = np.append(p[:, :64][:, ::-1], np.full((1, classes - 64), 1e-30), -1)
        arrays = {"p": p, "q": q, "logits": logits, "p_logits": logits, "q_logits": np.log(q)}
        inputs = {name: FORMATS["float32"].round(arrays[name]) for name in OPERATIONS[operation].inputs}
        g = np.ones((1, classes)) if operation == "softmax" else np.ones(1)
        allowed.append(bound(Problem(operation, "float32", inputs, {"dim": -1}, g))[output].reshape(-1)[0])

    assert allowed[1] < 1.5 * allowed[0]


def divergence(p_logits: torch.Tensor, q_logits: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """As it is written, differentiated by autograd, which sums p (log p - log q + 1)."""
    p, q = (each.log_softmax(dim) for each in (p_logits, q_logits))
    return (p.exp() * (p - q)).sum(dim)


@pytest.mark.parametrize(
    ("name", "classes", "far"), [("float32", 20000, 1e4), ("float32", 20000, 3e3), ("float64", 20000, 1e5)]
)
def test_what_is_light_in_one_sum_and_heavy_in_another(name: str, classes: int, far: float) -> None:
    """Each p is lost beside 1, and with its logarithm it is not: both are in one sum of a gradient."""
    fmt = FORMATS[name]
    p, q = np.full((1, classes), np.log(0.9 * fmt.u / classes)), np.full((1, classes), -far)
    p[0, 0] = q[0, 0] = 0
    inputs = {"p_logits": fmt.round(p), "q_logits": fmt.round(q)}
    problem = Problem("softmax_kl_divergence", name, inputs, {"dim": -1}, grad_output=np.ones(1))

    verdict = judge(load(divergence, "softmax_kl_divergence", "torch"), problem)
    assert verdict.ok
    assert verdict.ratios["grad_p_logits"] > 1e-4  # the bound has not become anything
