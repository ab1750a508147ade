"""The loss of logits and of a classifier: a way to take each row, and one of each step of `loss`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...problem.losses import is_labels
from ...problem.problem import Array
from ...problem.rows import reduction_of
from . import loss, rows, sums
from .linear import products
from .loss import Loss, in_one_term, late, scaled_last, share, times
from .record import Answer, Asked, Formula, Right
from .rows import LogitRow, Maximum, words_of
from .sums import Order, Sum

Role = Literal["row", "total", "product"]  # which sum a variant is about


Terms = Callable[[Loss], Array]
Reduce = Callable[[Loss, Array], Array]
Gradient = Callable[[Loss, Array], Array]


@dataclass(frozen=True)
class Form:
    """How a loss is formed; `role` says which of its sums is spoiled in the twin."""

    way: type[LogitRow] = LogitRow
    terms: Terms = in_one_term
    reduce: Reduce = late
    gradient: Gradient = scaled_last
    role: Role = "row"
    maximum: Maximum | None = None  # A3'': what the gradient also goes through

    def sum(self, asked: Asked, role: Role) -> Sum:
        return asked.sum if role == self.role else asked.sum.intact

    def loss(self, asked: Asked, x: Array) -> Loss:
        """Of logits x (R, C)."""
        row = self.way(x, self.sum(asked, "row"))
        return Loss(asked.problem, row, asked.sum.intact, self.sum(asked, "total"))

    def value(self, loss: Loss) -> Array:
        """The losses of rows, or what is made of them."""
        losses = np.where(loss.kept, self.terms(loss), 0).astype(loss.dtype)
        return losses if reduction_of(loss.problem) == "none" else self.reduce(loss, losses)

    def of_logits(self, loss: Loss, g: Array) -> Array:
        """0 in rows that are ignored."""
        found = np.where(loss.kept, self.gradient(loss, g), 0).astype(loss.dtype)
        return found if self.maximum is None else self.maximum(loss.row, found, loss.sum.intact)


def cross_entropy(form: Form) -> Formula:
    """Value, and gradients of logits and target probabilities."""

    def formula(asked: Asked) -> Answer:
        loss = form.loss(asked, asked.x)
        outputs = {"value": form.value(loss)}
        if asked.differentiates:
            outputs["grad_logits"] = form.of_logits(loss, asked.g)
            if not is_labels(asked.problem):
                slope = share(loss, asked.g) * loss.w * loss.dtype.type(1 - loss.smoothing)
                outputs["grad_target"] = times(slope, loss.row.l)
        return outputs

    return formula


def linear_cross_entropy(form: Form) -> Formula:
    """The same of logits x Wᵀ + b, and what their gradient makes of the others."""

    def formula(asked: Asked) -> Answer:
        x, w = np.atleast_2d(asked.array("input")), asked.array("linear_weight")
        b = asked.array("linear_bias") if "linear_bias" in asked.problem.inputs else None
        logits = products(x, w, form.sum(asked, "product"))
        loss = form.loss(asked, logits if b is None else logits + b)
        outputs = {"value": form.value(loss)}
        if asked.differentiates:
            grad, sum = form.of_logits(loss, asked.g), asked.sum.intact  # noqa: A001
            outputs["grad_input"] = grad @ w
            outputs["grad_linear_weight"] = products(grad.T, x.T, sum)
            outputs["grad_linear_bias"] = sum(grad.T)
        return {name: array.reshape(1, -1) for name, array in outputs.items()}

    return formula


_SUMS = {"row": "exponentials", "total": "losses", "product": "products"}


def variants() -> Iterator[Right]:
    """The loss of logits, and of a linear layer."""
    of_logits: list[tuple[Form, Order]] = [
        (Form(), sums.sequential),
        (Form(gradient=loss.of_slopes), sums.random_tree),
        (Form(terms=loss.in_two_terms, gradient=loss.by_exponential), sums.pairwise),
        (Form(terms=loss.gathered, gradient=loss.scattered), sums.kahan),
        (Form(rows.ByLogarithm, loss.gathered, gradient=loss.in_forward), sums.blocked),
        (Form(rows.WithoutLargest, loss.in_two_terms, loss.early), sums.backwards),
        (Form(rows.Reciprocal, reduce=loss.by_count), sums.in_float64),
        (Form(terms=loss.gathered, reduce=loss.late, role="total"), sums.bincount),
        (Form(terms=loss.gathered, reduce=loss.early, role="total"), sums.sequential),
        (Form(terms=loss.in_two_terms, reduce=loss.by_count, role="total"), sums.random_tree),
        (Form(reduce=loss.by_powers, gradient=loss.scattered, role="total"), sums.pairwise),
        (Form(reduce=loss.early, gradient=loss.in_forward, role="total"), sums.kahan),
        (Form(terms=loss.normalised_first, reduce=loss.before, gradient=loss.of_slopes), sums.descending),
        (Form(reduce=loss.flat, role="total"), sums.sequential),
        (Form(reduce=loss.flat, gradient=loss.of_slopes, role="total"), sums.random_tree),
        (Form(rows.Base2, loss.in_two_terms), sums.lanes),
        (Form(rows.Stored, loss.of_logsumexp, gradient=loss.by_exponential), sums.sequential),
        (Form(rows.OnlineStored, loss.of_logsumexp, gradient=loss.in_forward), sums.sequential),
        (Form(rows.Scaled, loss.gathered, gradient=loss.by_exponential), sums.sequential),
        (Form(rows.Folded, loss.of_logsumexp, gradient=loss.by_exponential), sums.descending),
        (Form(gradient=loss.of_slopes, maximum=rows.through_first_maximum), sums.random_tree),
        (Form(terms=loss.gathered, gradient=loss.scattered, maximum=rows.through_all_maxima), sums.sequential),
    ]
    of_features: list[tuple[Form, Order]] = [
        (Form(role="product"), sums.sequential),
        (Form(terms=loss.gathered, gradient=loss.scattered, role="product"), sums.random_tree),
        (Form(terms=loss.in_two_terms, gradient=loss.by_exponential), sums.backwards),
        (Form(rows.ByLogarithm, reduce=loss.early, gradient=loss.in_forward), sums.kahan),
        (Form(reduce=loss.by_count, gradient=loss.of_slopes, role="total"), sums.pairwise),
        (Form(rows.Reciprocal, loss.gathered, gradient=loss.in_forward, role="product"), sums.by_product),
        (Form(rows.Online, loss.gathered, gradient=loss.in_forward), sums.sequential),
        (Form(rows.OnlineStored, loss.of_logsumexp, gradient=loss.in_forward), sums.blocked),
        (Form(rows.Scaled, loss.gathered, gradient=loss.by_exponential), sums.lanes),
        (Form(terms=loss.gathered, gradient=loss.of_slopes, maximum=rows.through_first_maximum), sums.sequential),
    ]
    for operation, build, entries in (
        ("cross_entropy", cross_entropy, of_logits),
        ("linear_cross_entropy", linear_cross_entropy, of_features),
    ):
        for form, order in entries:
            steps = [each.__name__.replace("_", " ") for each in (form.terms, form.reduce, form.gradient)]
            words = f"{form.way.words}; terms {'; mean '.join(steps[:2])}; gradient {steps[2]}"
            words += "" if form.maximum is None else f", {words_of(form.maximum)}"
            words = f"{words}; the sum of {_SUMS[form.role]}"
            needs = {*form.way.needs, *(("A4'",) if form.terms is loss.of_logsumexp else ())}
            needs |= set() if form.maximum is None else {"A3''"}
            yield Right(operation, build(form), Sum(order), words, tuple(sorted(needs)), below=form.way.below)
