"""A network's outputs as they are exactly, and how far a right pass may be from each.

Truth and bound go through the same steps side by side: `Carried` holds both, and each step is one function of them. The
bounds are Theorem 26 of docs/theory/bounds.md, and the letters those of its parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from flint import arb

from ...bounds.algebra import additions, powers, rdiv, rmul
from ...bounds.arithmetic import Arithmetic
from ...problem.formats import Floats
from ...problem.problem import Array
from ...truth.balls import balls, matmul
from ...truth.softmax import Softmax
from .layers import Layers, Linear

TANH = 6.0  # absolute error of a tanh in u; libraries, and the usual formulas by exponentials, have less (Theorem 26 c)
SLACK = 2.0**-20  # for the evaluation of a bound in float64, as everywhere

_upper = np.frompyfunc(arb.abs_upper, 1, 1)
_positive = np.frompyfunc(lambda ball: ball.max(arb(0)), 1, 1)
_sign = np.frompyfunc(lambda ball: (ball > 0) - (ball < 0), 1, 1)  # 0 also where it is not known
_tanh = np.frompyfunc(arb.tanh, 1, 1)
_sech = np.frompyfunc(arb.sech, 1, 1)


def _sizes(exact: Array) -> Floats:
    return np.asarray(_upper(exact), np.float64)


@dataclass(frozen=True, eq=False)
class Carried:
    """Balls that hold exact numbers, and how far the numbers that a right pass computes may be from these."""

    exact: Array
    error: Floats

    @classmethod
    def given(cls, values: Array) -> Carried:
        """What everybody starts from."""
        return cls(balls(values), np.zeros(values.shape))

    @cached_property
    def size(self) -> Floats:
        """At least |exact|, but for the rounding of float64."""
        return _sizes(self.exact)

    @property
    def reach(self) -> Floats:
        """How large a computed number may be."""
        return self.size + self.error

    @property
    def T(self) -> Carried:  # noqa: N802  # as NumPy has it
        """Transposed."""
        return Carried(self.exact.T, self.error.T)

    def times(self, factor: Carried, rounding: float, underflow: float) -> Carried:
        """The product with a factor, element by element."""
        error = self.error * factor.reach + self.size * factor.error
        return Carried(self.exact * factor.exact, error + rounding * self.reach * factor.reach + underflow)

    def summed(self, a: Arithmetic) -> Carried:
        """(a) The sum over the rows, in any order."""
        exact, error = self.exact.sum(0), self.error.sum(0)
        return Carried(exact, error + _additions(len(self.error), self.reach.sum(0), _sizes(exact) + error, a))


def _additions(terms: int, total: Floats, result: Floats, a: Arithmetic) -> Floats:
    """(a) What additions in any order lose; a partial sum is at most that of the terms of one sign."""
    relative = float(additions(terms, a.compute.u))
    return np.asarray((total + result) / 2 * (relative / (1 - relative) if relative < 1 else np.inf))


def product(p: Carried, q: Carried, a: Arithmetic, bias: Carried | None = None) -> Carried:
    """(a) P Q + bias, summed in any order."""
    u, terms, inherited = a.compute.u, p.exact.shape[1], p.error @ q.reach + p.size @ q.error
    exact, total = matmul(p.exact, q.exact), p.reach @ q.reach
    if bias is not None:
        exact, total, terms = exact + bias.exact, total + bias.size, terms + 1
    error = inherited + u * total + terms * a.underflow()
    error += _additions(terms, total * (1 + u), _sizes(exact) + error, a)
    return Carried(exact, np.where(2 * total <= a.compute.largest, error, np.inf))


def relu(z: Carried, _: Arithmetic, any_slope: bool) -> tuple[Carried, Carried]:
    """(b) max(z, 0) and its slope, 0 at 0; where rounding may bring z to 0, ½ ± ½ if it may be `any_slope`."""
    sign = _sign(z.exact).astype(np.int64)
    certain = (sign != 0) & (z.size > z.error * (1 + 2 * SLACK))
    kink = any_slope & ~certain
    slope = np.where(kink, 0.5, np.where(sign > 0, 1.0, 0.0))
    value = Carried(np.asarray(_positive(z.exact)), np.where(certain & (sign < 0), 0.0, z.error))
    return value, Carried(balls(slope), np.where(kink, 0.5, 0.0))


def tanh(z: Carried, a: Arithmetic, _: bool) -> tuple[Carried, Carried]:
    """(c) tanh z and its slope, formed of the value or of z."""
    u, slope = a.compute.u, np.asarray(_sech(z.exact) ** 2)
    steep = _sizes(slope)
    moved = np.where(z.error < 1, z.error * np.minimum(1.0, steep * np.exp(2 * z.error)), 2.0)
    value = Carried(np.asarray(_tanh(z.exact)), moved + TANH * u)
    by_value = value.error * (value.size + value.reach)
    by_value += (u + u * u) * value.reach**2 + powers(3, u) * (steep + by_value)
    by_cosh, of_cosh = moved * (2 * value.size + moved), (a.c_exp + 2) * u
    by_cosh += rdiv(powers(3, u), rmul(of_cosh, of_cosh)) * (steep + by_cosh)
    return value, Carried(slope, np.maximum(by_value, by_cosh) + 2 * a.underflow())


def mean_loss(z: Carried, labels: Array, a: Arithmetic) -> tuple[Carried, Carried]:
    """(d) The mean of -log p over the rows, (), and (e) its gradient by the logits (N, C)."""
    u, (rows, classes), at = a.compute.u, z.error.shape, (np.arange(len(labels)), labels)
    f = Softmax.of(z.exact, np.zeros(z.error.shape, bool), balls)
    p, l, y = (_sizes(each) for each in (f.p, f.l, f.lse))  # noqa: E741  # (N, C), (N, C), (N, 1)
    common, of_exp, others = z.error.max(-1, keepdims=True), -np.log1p(-a.c_exp * u), 1 - np.eye(classes)
    own = z.error + u * (l + z.error + common) + of_exp  # of log ê
    order = -np.log1p(-np.minimum(additions(classes, u), 1))
    of_sum = np.log1p(np.expm1(own) * (p * np.exp(own) @ others) + p * np.expm1(own) @ others) + order
    moved = own.max(-1, keepdims=True) + common + order  # log ŝ
    of_log = a.c_log * u * (l.min(-1, keepdims=True) + moved)
    by_sum = (of_sum + of_log + u * (y + moved + l)) * (1 + u) ** 2
    quotient = of_sum - 2 * np.log1p(-u)
    l_error = np.maximum(by_sum, quotient + a.c_log * u * (l + quotient))[at]
    p_error = p * np.expm1(np.maximum(quotient, by_sum + of_exp))
    p_error += 4 * (a.exp_underflow + a.underflow())

    total, order = l[at].sum(), additions(rows, u)
    lost = l_error.sum() * (1 + order) + order * total
    error = (lost + powers(2, u) * (total + lost)) / rows + rows * a.underflow()
    loss = Carried(np.array(-f.l[at].sum() / rows, object), np.asarray(error))

    slope, kappa = f.p.copy(), powers(7, u)
    slope[at] -= 1
    p_error[at] += 3 * u * (p + p_error)[at]
    error = (p_error * (1 + kappa) + kappa * _sizes(slope)) / rows + 4 * a.underflow()
    return loss, Carried(slope / rows, error)


STEPS = {"relu": relu, "tanh": tanh}


def carried(layers: Layers, inputs: Mapping[str, Array], a: Arithmetic, any_slope: bool = False) -> dict[str, Carried]:
    """The loss and its gradients, in the order of the chain rule: from the loss to the input."""
    given = {name: Carried.given(array) for name, array in inputs.items() if name != "target"}
    h, passed = given["x"], list[Carried]()
    for layer in layers:
        if isinstance(layer, Linear):
            weight, bias = (given[name] for name in layer.names)
            passed.append(h)
            h = product(h, weight.T, a, bias)
        else:
            h, slope = STEPS[layer](h, a, any_slope)
            passed.append(slope)
    loss, g = mean_loss(h, inputs["target"], a)
    found = {"loss": loss}
    for layer, kept in zip(reversed(layers), reversed(passed), strict=True):
        if isinstance(layer, Linear):
            of_weight, of_bias = layer.names
            found |= {of_weight: product(g.T, kept, a), of_bias: g.summed(a)}
            g = product(g, given[of_weight], a)
        else:
            g = g.times(kept, a.compute.u, a.underflow())
    return {name: _enlarged(each) for name, each in (found | {"x": g}).items()}


def _enlarged(each: Carried) -> Carried:
    """With room for the rounding of the bound itself; what is no number promises nothing."""
    return Carried(each.exact, np.where(np.isnan(each.error), np.inf, each.error * (1 + SLACK)))
