"""Truth and bound of softmax, log-softmax and the loss of rows of two logits, in float64 on any device.

These are the formulas of `softproof.truth` and `softproof.bounds` for two exact logits, where the truth has no
cancellation; `pairs` holds both against the judge's own. Of a model it takes what torch does: nothing online, to base 2
or in class B.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from softproof.bounds.algebra import BESIDE, additions, powers
from softproof.bounds.algebra import rmul as rmul_of_numbers
from softproof.bounds.arithmetic import Arithmetic
from softproof.bounds.exactly import SMALL, formats_of
from softproof.bounds.overflow import EVALUATION as EVALUATION
from softproof.problem.formats import Format

from ..record import NOT_HERE, MissingError

GRAD = (1.0, 0.0)  # upstream, of softmax and log-softmax; of a loss it is 1
_EXPONENT, _MANTISSA, _HIDDEN = 0x7FF0000000000000, (1 << 52) - 1, 1 << 52  # of a float64
_ELSEWHERE = ("online", "base2", "subtracts_logsumexp", "scales_logits", "folded_from", "flushes", "forward")


class Expected(NamedTuple):
    """Of one output: what is exact, and how far an answer may be from it, (n, 2) or (n, 1)."""

    truth: Tensor
    bound: Tensor


def expected(a: Arithmetic, operation: str, x: Tensor) -> dict[str, Expected]:
    """Value and gradient of "softmax", "log_softmax", or "cross_entropy 0" and "cross_entropy 1" of x (n, 2)."""
    if used := [name for name in _ELSEWHERE if getattr(a, name)] or sorted(a.stored & {"shift", "exp"}):
        raise MissingError(NOT_HERE, f"the model {a.name} has {', '.join(used)}, which pairs are not asked under")
    return _OPERATIONS[operation](_Rows(a, x.double()))


@dataclass
class _Rows:
    """What SoftmaxRows is for any number of classes."""

    a: Arithmetic
    x: Tensor

    def __post_init__(self) -> None:
        a, u = self.a, self.a.compute.u
        top = self.x.amax(-1, keepdim=True)
        self.d = self.x - top
        self.e = torch.exp(self.d)
        self.s = self.e.sum(-1, keepdim=True)
        log_s = torch.log(self.s)
        self.p, self.l = self.e / self.s, self.d - log_s
        self.h = self._subtraction_error()
        self.e_error = self._exp_error()
        sigma = _rmul(self.e_error.sum(-1, keepdim=True) / self.s, float(additions(2, u, a.depth, 2)))
        sigma = _rmul(sigma, a.storage.u) if "sum" in a.stored else sigma
        left, self.lone = self._left_of_sum()
        self.sigma = torch.where(self.lone, left, sigma)
        grown_sum = -torch.log1p(-self.sigma.clamp(max=1))
        lam = torch.where(self.sigma < 1, grown_sum + a.c_log * u * (log_s + grown_sum), torch.inf)
        self.lam = self.stored(log_s, lam) if "log" in a.stored else lam
        self.l_error = (self.h + self.lam) * (1 + u) + u * self.l.abs()

    def _subtraction_error(self) -> Tensor:
        error = (self.d.float().double() - self.d).abs() + 2 * 2.0**-53 * self.d.abs()
        return torch.where(error.isfinite(), error, self.a.compute.u * self.d.abs())

    def _exp_error(self) -> Tensor:
        error = _grown(self.e, self.d, self.h, self.a.c_exp * self.a.compute.u)
        small = self.e - error < 2 * self.a.compute.tiny
        error = torch.where(small, error + self.a.exp_underflow, error)
        return torch.where((self.d == 0) & (self.h == 0), 0.0, error)

    def _left_of_sum(self) -> tuple[Tensor, Tensor]:
        """Theorem 22: of sums that are 1 or 2 but for what is small (n, 1)."""
        a, ones = self.a, (self.d == 0) & (self.h == 0)
        near = (self.s - self.s.round()).abs() <= 4 * a.compute.u
        error = self.e_error.where(~ones, 0.0).sum(-1, keepdim=True)
        small = (self.e.where(~ones, 0.0).sum(-1, keepdim=True) + error) * (1 + float(additions(2, a.compute.u)))
        u = min(each.u for each in formats_of(a, "sum"))
        exact = near & ones.any(-1, keepdim=True) & (small <= SMALL * u / 2)
        return torch.where(exact, (error + small) / self.s, 0.0), exact

    def loss_error(self, label: slice) -> Tensor:
        """Theorem 9, and Theorem 22 where l is x - m: of the log-probability that is a loss (n, 1)."""
        a, top = self.a, self.x.amax(-1, keepdim=True)
        x, d = self.x[:, label], self.d[:, label]
        reach = self.lam - self.l.amax(-1, keepdim=True)
        alone = self.lone & (reach < 0.5)
        known = alone & (reach <= a.compute.u / 4 * d.abs())
        known &= _held(d, torch.minimum(_units(x), _units(top)), formats_of(a, "shift", "output"))
        known &= _held(d, _units(d), formats_of(a, "terms"))
        underflow = a.underflow("terms")
        small = torch.where(alone & (d == 0), (1 + underflow) * reach * 2 + underflow, 0.0)
        return torch.where(known, reach, self.kept(self.l, self.l_error)[:, label]) + 2 * small

    def stored(self, value: Tensor, error: Tensor) -> Tensor:
        """Theorem 1; no error of a pair is 0."""
        storage = self.a.storage
        reach = (value.abs() + error) * (1 + BESIDE)
        power = (reach.view(torch.int64) & _EXPONENT).view(torch.float64)
        return torch.where(value.isfinite(), error + power.clamp(min=storage.tiny) * storage.u, error)

    def kept(self, value: Tensor, error: Tensor) -> Tensor:
        """The error of what a backward pass starts from."""
        return self.stored(value, error) if "output" in self.a.stored else error

    def _p_of(self, l_error: Tensor) -> Tensor:
        a = self.a
        roundings = float(rmul_of_numbers(a.c_exp * a.compute.u, a.rounding("exp"), a.compute.u))
        underflow = 2 * (a.exp_underflow + a.underflow("exp")) * (1 + _rdiv(0.0, self.sigma))
        return _grown(self.p, self.l, l_error, roundings) + underflow

    @property
    def p_error(self) -> Tensor:
        """Theorem 5."""
        return self.promising(self._p_of(self.kept(self.l, self.l_error)))

    @property
    def value_error(self) -> Tensor:
        """Theorem 2, or the larger of it and Theorem 5."""
        rho = _rdiv(float(powers(2, self.a.compute.u)), self.sigma)
        error = self.e_error * ((1 + rho) / self.s) + self.p * rho + self.a.underflow()
        return self.promising(error if self.a.quotient else torch.maximum(error, self._p_of(self.l_error)))

    @property
    def saved_error(self) -> Tensor:
        """Of the p̂ that the backward pass of a softmax starts from."""
        if "output" in self.a.stored:
            return self.stored(self.p, self.value_error)
        return self.promising(self._p_of(self.l_error))

    def promising(self, error: Tensor) -> Tensor:
        """inf where every number from 0 to 1 is within an error of p̂."""
        return torch.where(error >= torch.maximum(self.p, 1 - self.p), torch.inf, error)

    def vjp(self, h: Tensor, h_error: Tensor, scalings: int) -> Tensor:
        """Theorem 6 (a), of one entry h of a row that is not 0, whose result may be scaled so often."""
        u, total, total_error = self.a.compute.u, h.sum(-1, keepdim=True), h_error.sum(-1, keepdim=True)
        reach = h.abs().sum(-1, keepdim=True) + total_error
        error = _times(self.p_error, reach * (1 + u)) + self.p * (total_error + u * reach) + h_error
        last, underflow = float(powers(1 + scalings, u)), 2 * (scalings + 2) * self.a.underflow()
        value = h - self.p * total
        return self.finished(value, error * (1 + last) + last * value.abs() + underflow)

    def finished(self, value: Tensor, error: Tensor) -> Tensor:
        """Rounded to storage once, and enlarged by the rounding of the bound itself."""
        error = (self.stored(value, error) if self.a.rounds_on_storing else error) * (1 + EVALUATION)
        return torch.where(error.isnan(), torch.inf, error)

    @property
    def exact(self) -> tuple[Tensor, Tensor]:
        """p and l without cancellation (n, 2)."""
        gap = self.x.flip(-1) - self.x  # of the other logit above this one
        t = torch.exp(-gap.abs())
        p = torch.where(gap > 0, t / (1 + t), 1 / (1 + t))
        return p, -(torch.log1p(t) + gap.clamp(min=0))


def _softmax(f: _Rows) -> dict[str, Expected]:
    """Theorems 2 and 6 (b) for the upstream gradient (1, 0)."""
    a, u, p, b = f.a, f.a.compute.u, f.p, f.saved_error
    g = torch.tensor(GRAD, dtype=torch.float64, device=p.device).expand(p.shape)
    product = a.rounding("terms") if "terms" in a.stored else 0.0
    inner = (g * p).sum(-1, keepdim=True)
    deep = float(rmul_of_numbers(u, additions(3, u, a.backward_depth, 2)))
    few, order = torch.full_like(inner, float(powers(1, u))), min(2 * u, deep)
    few = few.where(few * inner < order * inner, order)  # Theorem 30: of p g one matters, unless float64 has 0 for it
    gamma = _rmul(few, product)
    inner_error = _times(b, g).sum(-1, keepdim=True) * (1 + gamma) + gamma * inner + 2 * a.underflow("terms")
    roundings = float(rmul_of_numbers(powers(3, u), product))
    beside, reach, apart, lost = inner.abs() + inner_error, (g - inner).abs(), 0.0, 0.0
    if not a.quotient and "output" in a.stored:
        reach = g + inner.abs()
    elif not a.quotient:
        apart = float(rmul_of_numbers(a.c_exp * u, a.rounding("exp")))
        lost = 2 * (a.exp_underflow + a.underflow("exp"))
    rounded = inner_error + (roundings + (2 * apart) / (1 - apart)) * beside + roundings * g
    value = p * (g - inner)
    error = _times(b, reach) + _times(p + b, rounded)
    error = error + u * value.abs() + 3 * a.underflow() + a.underflow("terms") + lost * beside
    exact = f.exact[0]
    slope = exact[:, :1] * exact[:, 1:]
    return {
        "value": Expected(exact, f.finished(p, f.value_error)),
        "grad": Expected(torch.cat([slope, -slope], -1), f.finished(value, error)),
    }


def _log_softmax(f: _Rows) -> dict[str, Expected]:
    """Theorems 4 and 6 (a) for the upstream gradient (1, 0)."""
    h = torch.tensor(GRAD, dtype=torch.float64, device=f.p.device).expand(f.p.shape)
    p, log_p = f.exact
    other = p[:, 1:]
    return {
        "value": Expected(log_p, f.finished(f.l, f.l_error)),
        "grad": Expected(torch.cat([other, -other], -1), f.vjp(h, torch.zeros_like(h), 0)),
    }


def _loss(label: int, f: _Rows) -> dict[str, Expected]:
    """Theorems 9 and 10, without weights, smoothing and reduction."""
    chosen = torch.zeros_like(f.p)
    chosen[:, label] = 1.0
    p, log_p = f.exact
    own, other = slice(label, label + 1), slice(1 - label, 2 - label)
    slope = p[:, other] * (1 - 2 * chosen)
    bound = f.vjp(-chosen, chosen * (2 * f.a.underflow("terms")), 2)
    return {
        "value": Expected(-log_p[:, own], f.finished(f.l[:, own], f.loss_error(own))),
        "grad": Expected(slope, bound),
    }


_OPERATIONS: dict[str, Callable[[_Rows], dict[str, Expected]]] = {
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "cross_entropy 0": partial(_loss, 0),
    "cross_entropy 1": partial(_loss, 1),
}
NAMES = tuple(_OPERATIONS)


def _rmul(one: Any, two: Any) -> Any:
    return one + two + one * two


def _rdiv(numerator: float, denominator: Tensor) -> Tensor:
    safe = torch.where(denominator < 1, denominator, 0.0)
    return torch.where(denominator < 1, (numerator + safe) / (1 - safe), torch.inf)


def _units(x: Tensor) -> Tensor:
    """`softproof.bounds.exactly.units`."""
    bits = x.contiguous().view(torch.int64)
    mantissa, power = (bits & _MANTISSA) | _HIDDEN, (bits & _EXPONENT).view(torch.float64)
    return torch.where(x == 0, torch.inf, (mantissa & -mantissa) * (power * 2.0**-52))


def _held(d: Tensor, unit: Tensor, formats: tuple[Format, ...]) -> Tensor:
    """Whether these multiples of a unit are numbers of all formats."""
    precision, least = min(each.precision for each in formats), max(each.subnormal for each in formats)
    return (d.abs() < 2.0**precision * unit) & (unit >= least)


def _times(error: Tensor, factor: Tensor) -> Tensor:
    return torch.where(factor == 0, 0.0, error * factor)


def _grown(value: Tensor, log_value: Tensor, shift: Tensor, rounding: float) -> Tensor:
    small = value * ((shift * shift + shift) * (1 + rounding) + rounding)
    return torch.where(shift <= 1, small, torch.exp(log_value + shift) * (1 + rounding))
