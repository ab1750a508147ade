"""Each constant of each model allows what its source allows: a result that is off by nearly so much agrees.

The numbers are those of the sources that `Arithmetic.source` names, and are not read from the models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flint import arb

from softproof import MODELS, Output, Problem, Result, judge_result
from softproof.problem.formats import FORMATS

EXPONENTIALS = {"float64": 3.0, "float32": 5.0}  # in u, of any order: 1.5 and 2.5 ulp, CUDA C++ Programming Guide
LOGARITHMS = {"float64": 3.0, "float32": 5.0}  # 1.5 ulp, and 4.58 u measured on NumPy
NARROWER: dict[str, dict[str, tuple[float, float]]] = {  # exp and log, where a library is known
    "numpy": {"float64": (2.0, 2.0), "float32": (3.6, 5.0)},  # SVML and glibc; loops_exponent_log.dispatch.c.src
    "torch-cpu": {"float64": (2.0, 2.0), "float32": (2.0, 2.0)},  # SLEEF and VML
    "torch-cuda": {"float64": (3.0, 3.0), "float32": (5.0, 3.0)},
    "torch-cuda-tf32": {"float64": (3.0, 3.0), "float32": (5.0, 3.0)},
    "storage": {"float16": (2.0, 2.0), "bfloat16": (2.0, 2.0)},  # within an ulp
}
ASKED = [
    (model, dtype, *NARROWER.get(model, {}).get(dtype, (EXPONENTIALS.get(dtype, 0.0), LOGARITHMS.get(dtype, 0.0))))
    for model in MODELS
    for dtype in (("float16", "bfloat16") if model == "storage" else ("float64", "float32"))
]
QUOTIENTS = ("numpy", "torch-cpu", "torch-cuda", "torch-cuda-tf32")


def _agrees(operation: str, dtype: str, model: str, logits: list[float], value: Any) -> bool:
    problem = Problem(operation, dtype, {"logits": FORMATS[dtype].round(logits)}, {"dim": -1})
    result = Result({"value": Output(FORMATS[dtype].round(value), dtype)})
    return judge_result(problem, result, arithmetic=model).ok


def _off(exact: arb, by: float, dtype: str) -> float:
    """The largest number of the format that is at most so much above the exact value."""
    fmt, limit = FORMATS[dtype], exact + by
    found = float(fmt.round(float(limit)))
    return found if found <= limit else float(fmt.round(found - fmt.ulp(found)))


@pytest.mark.parametrize(("model", "numbers", "c_exp", "c_log"), ASKED)
def test_an_exponential_may_be_off_by_so_much(model: str, numbers: str, c_exp: float, c_log: float) -> None:  # noqa: ARG001
    """exp(-1/2): its own error, and three roundings; far more is wrong."""
    u, exact = FORMATS[numbers].u, 1 / (1 + arb(0.5).exp())
    p = float(exact)

    assert _agrees("softmax", numbers, model, [0.0, -0.5], [1 - p, _off(exact, (c_exp + 3) * u * p, numbers)])
    assert not _agrees("softmax", numbers, model, [0.0, -0.5], [1 - p, p * (1 + (5 * c_exp + 150) * u)])


@pytest.mark.parametrize(("model", "numbers", "c_exp", "c_log"), ASKED)
def test_a_logarithm_may_be_off_by_so_much(model: str, numbers: str, c_exp: float, c_log: float) -> None:  # noqa: ARG001
    """log 2; besides, the result is rounded. 1 + 1 is not."""
    u, y = FORMATS[numbers].u, np.log(2.0)

    assert _agrees("logsumexp", numbers, model, [0.0] * 2, _off(arb(2).log(), (c_log + 0.9) * u * y, numbers))
    assert not _agrees("logsumexp", numbers, model, [0.0] * 2, y * (1 + (5 * c_log + 20) * u))


@pytest.mark.parametrize(("model", "numbers"), [each[:2] for each in ASKED])
def test_a_subnormal_exponential_may_be_off_by_two_units(model: str, numbers: str) -> None:
    """NumPy's expf was measured at 1.51 of them; the quotient adds half a unit."""
    fmt = FORMATS[numbers]
    logit = float(fmt.round(np.log(40 * fmt.subnormal)))
    p = np.exp(logit) / (1 + np.exp(logit))
    units = 2.5 if model in QUOTIENTS else 5.0

    assert _agrees("softmax", numbers, model, [0.0, logit], [1.0, _off(arb(p), units * fmt.subnormal, numbers)])
    flushes = "flush-to-zero" in model or "folded" in model
    assert flushes or not _agrees("softmax", numbers, model, [0.0, logit], [1.0, 2 * p])


def test_a_log_softmax_is_rounded_in_the_end() -> None:
    """-1024 - log 2 by its nearest number, which is further away than its parts are, and by the next one."""
    fmt, exact = FORMATS["float32"], -1024 - np.log(2)
    nearest, logits = float(fmt.round(exact)), [0.0, -1024.0, 0.0]
    next_one = nearest + np.sign(exact - nearest) * float(fmt.ulp(exact))

    assert _agrees("log_softmax", "float32", "any-order", logits, [-np.log(2), nearest, -np.log(2)])
    assert not _agrees("log_softmax", "float32", "any-order", logits, [-np.log(2), next_one, -np.log(2)])
    assert abs(nearest - exact) > 100 * fmt.u
