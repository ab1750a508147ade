"""What is known of rows of a softmax before anything is made of them (docs/theory/bounds.md, sections 2 and 3)."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array
from .algebra import (
    RowFactor,
    grown,
    powers,
    rdiv,
    rmul,
    stored,
)
from .exponentials import (
    exponent,
    promising,
    unscaled,
)
from .log_rows import LogRows
from .overflow import exceeds
from .row_unknowns import Shared


class SoftmaxRows(LogRows):
    """The same rows, and how far their probabilities may be off."""

    def p_reach(self, p_error: Floats) -> Floats:
        """How large p̂ may be: no exponent of it is above 0, since x - ŷ rounds m + log ŝ >= m (r, C)."""
        a = self.arithmetic
        most = 1 + rmul(a.c_exp * a.compute.u, powers(2, a.compute.u), powers(2, a.storage.u))
        return np.asarray(np.fmin(self.p + p_error, most * np.exp(self._above)))

    def mean_reach(self, p_error: Floats, v: Floats, largest: float) -> tuple[Floats, Floats]:
        """How large the positive and the negative parts of Σ p v may be, and inf where (Σ e v)/s overflows: (r, 1)."""
        a, p = self.arithmetic, self.p_reach(p_error)
        by = 1 + rmul(self.classes * a.compute.u, powers(4, a.rounding("derivatives")))
        e = np.minimum(p * self.s, 2 * np.exp(self._above)) if self.s.max(initial=1.0) > 1 else p
        parts = [np.maximum(each, 0) for each in (v, -v)]
        sums = [((p * each).sum(-1, keepdims=True) * by, (e * each).sum(-1, keepdims=True) * by) for each in parts]
        plus, minus = (np.where(exceeds(of_e, largest), np.inf, of_p) for of_p, of_e in sums)
        return plus, minus

    @cached_property
    def p_error(self) -> Floats:
        """|p̂ - p| for p̂ = exp(l̂) as well as for p̂ = ê/ŝ or ê·(1/ŝ) (Theorem 5)."""
        return self.p_error_of(self._kept(self._shared_error))

    def p_error_of(self, l_error: Floats) -> Floats:
        """The same for another error of the logarithms (r, C)."""
        return self._promising(self._p_error(l_error) + self._p_underflow)

    def _promising(self, error: Floats) -> Floats:
        """The same, but inf where every number from 0 to 1 is within it (r, C)."""
        return promising(self.p, error)

    def _p_error(self, l_error: Floats) -> Floats:
        a = self.arithmetic
        roundings = rmul(a.c_exp * a.compute.u, a.rounding("exp"), a.compute.u)
        if a.forward:  # also as a product of two such probabilities
            l_error, roundings = 2 * l_error, rmul(roundings, roundings, powers(2, a.compute.u))
        error = grown(self.p, self.l, exponent(np.abs(self.l), l_error, a), float(roundings))
        if self.masked is not None:
            error[self.masked] = 0.0
        return error

    @property
    def _p_underflow(self) -> Array:
        """(r, 1), or (r, C) where something is masked."""
        a = self.arithmetic
        underflow = 2 * (a.exp_underflow + a.underflow("exp")) * (1 + rdiv(0.0, self.sigma))
        return underflow if self.masked is None else np.where(self.masked, 0.0, underflow)

    @property
    def division_error(self) -> Floats:
        """|p̂ - p| for p̂ = ê/ŝ or ê·(1/ŝ) (Theorem 2)."""
        rho = rdiv(powers(2, self.arithmetic.compute.u), self.sigma)
        error: Floats = self.e_error * ((1 + rho) / self.s) + self.p * rho + self.arithmetic.underflow()
        if self.masked is not None:
            error[self.masked] = 0.0
        return error

    @property
    def value_error(self) -> Floats:
        """|p̂ - p| for softmax as a result: Theorem 2, or Theorem 5 where the formula is not known."""
        if self.arithmetic.quotient:
            return self._promising(self.division_error)
        by_logarithm = self._p_error(self._shared_error) + self._p_underflow
        return self._promising(np.maximum(self.division_error, by_logarithm))

    @property
    def saved_error(self) -> Floats:
        """|p̂ - p| for the p̂ that a backward pass starts from."""
        if "output" in self.arithmetic.stored:
            return stored(self.p, self.value_error, self.arithmetic)
        return self.p_error_of(self._shared_error)

    @property
    def common_factor(self) -> RowFactor:
        """Theorem 14 for softmax."""
        return self.factor_of(self._row_error, self._free_error)

    def factor_of(self, shared: Floats, free: Floats) -> RowFactor:
        """Theorem 14 for p̂ whose logarithm has an error that the row has in common (r, 1), and one by itself."""
        underflow = np.broadcast_to(self._p_underflow, self.p.shape)
        return RowFactor(True, shared, self._p_error(free), underflow)

    @property
    def common_term(self) -> RowFactor:
        """Theorem 14 for log-softmax."""
        free = self._free_error
        return RowFactor(False, self._row_error, np.zeros_like(free), free)

    @property
    def shared_of_value(self) -> Shared:
        """The probabilities that the backward pass of softmax starts from."""
        factor = self.common_factor
        return Shared.of(self.p, factor.stored(self.p, self.arithmetic) if self._stores_output else factor)

    @property
    def shared_of_logarithm(self) -> Shared:
        """Those of exp(l̂), l̂ stored or not, and of a quotient."""
        term = self.common_term
        own = term.stored(self.l, self.arithmetic).fixed if self._stores_output else term.fixed
        return Shared.of(self.p, self.factor_of(term.limit, own))

    @property
    def _stores_output(self) -> bool:
        return "output" in self.arithmetic.stored

    @property
    def _free_error(self) -> Floats:
        """What of |l̂ - l| an element has by itself."""
        u = self.arithmetic.compute.u
        free: Floats = np.abs(self.l)
        free += self._row_error
        free *= u
        free += self.h * (1 + u)
        if not self.arithmetic.scales_logits:
            return free
        return free + unscaled(np.abs(self.l) + self._row_error, free, self.arithmetic)
