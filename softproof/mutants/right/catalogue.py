"""All right variants: each formula in some orders of its sum. `softproof.mutants.right` says what they are for."""

from __future__ import annotations

from collections.abc import Iterator

from . import cross_entropy as loss
from . import information, linear, sums
from . import softmax as rows
from .cross_entropy import Form
from .record import Formula, Right
from .softmax import Backward
from .sums import Order, Sum

SUMS = {"row": "exponentials", "total": "losses", "product": "products"}


def _rows() -> Iterator[Right]:
    """Softmax, log-softmax and logsumexp."""
    softmax: list[tuple[type[rows.Row], Backward, Order]] = [
        (rows.Row, rows.factored, sums.sequential),
        (rows.Row, rows.multiplied_out, sums.kahan),
        (rows.Row, rows.of_exponentials, sums.random_tree),
        (rows.Reciprocal, rows.factored, sums.lanes),
        (rows.Reciprocal, rows.multiplied_out, sums.bincount),
        (rows.ByLogarithm, rows.factored, sums.backwards),
        (rows.WithoutLargest, rows.factored, sums.pairwise),
        (rows.Base2, rows.factored, sums.blocked),
        (rows.Online, rows.factored, sums.by_library),
        (rows.Stored, rows.multiplied_out, sums.descending),
        (rows.Scaled, rows.factored, sums.sequential),
        (rows.ScaledFused, rows.factored, sums.lanes),
    ]
    log_softmax: list[tuple[type[rows.Row], Backward, Order]] = [
        (rows.Row, rows.by_quotient, sums.sequential),
        (rows.Row, rows.by_exponential, sums.random_tree),
        (rows.Row, rows.by_quotient, sums.in_float64),
        (rows.WithoutLargest, rows.by_exponential, sums.welford),
        (rows.WithoutLargest, rows.by_quotient, sums.ascending),
        (rows.Base2, rows.by_quotient, sums.folded),
        (rows.Stored, rows.by_exponential, sums.kahan),
        (rows.OnlineStored, rows.by_exponential, sums.sequential),
        (rows.Scaled, rows.by_exponential, sums.sequential),
    ]
    for operation, build, entries in (
        ("softmax", rows.softmax, softmax),
        ("log_softmax", rows.log_softmax, log_softmax),
    ):
        for way, back, order in entries:
            words = f"{way.words}; gradient {(back.__doc__ or '').split(': ')[1].rstrip('.')}"
            yield Right(operation, build(way, back), Sum(order), words, way.needs, below=way.below)
    of_logsumexp: list[tuple[type[rows.Row], bool, Order]] = [
        (rows.Row, False, sums.sequential),
        (rows.Row, True, sums.scattered),
        (rows.WithoutLargest, False, sums.random_tree),
        (rows.WithoutLargest, True, sums.exact),
        (rows.Base2, True, sums.by_einsum),
        (rows.Stepwise, False, sums.sequential),
        (rows.Scaled, True, sums.sequential),
    ]
    for way, difference, order in of_logsumexp:
        words = f"{way.words}; gradient g {'exp(x - y)' if difference else 'p'}"
        formula = rows.logsumexp(way, by_difference=difference)
        yield Right("logsumexp", formula, Sum(order), words, way.needs, below=way.below)


def _distributions() -> Iterator[Right]:
    """Entropy, cross-entropy and divergence: any order."""
    log, log_2 = information.log, information.log_2
    entries: list[tuple[str, Formula, str, Order]] = [
        ("entropy", information.entropy(log), "-Σ p log p", sums.sequential),
        ("entropy", information.entropy(log, multiplied_out=True), "-g log p - g", sums.kahan),
        ("entropy", information.entropy(log), "-Σ p log p", sums.random_tree),
        ("entropy", information.entropy(log_2), "log₂ p log 2", sums.pairwise),
        ("distribution_cross_entropy", information.cross_entropy(log), "-Σ p log q", sums.backwards),
        ("distribution_cross_entropy", information.cross_entropy(log), "-Σ p log q", sums.bincount),
        ("distribution_cross_entropy", information.cross_entropy(log_2), "log₂ q log 2", sums.lanes),
        ("kl_divergence", information.divergence_of_terms, "Σ (p log p - p log q)", sums.sequential),
        ("kl_divergence", information.divergence_of_terms, "Σ (p log p - p log q)", sums.blocked),
        ("kl_divergence", information.divergence_of_differences, "Σ p (log p - log q)", sums.random_tree),
        ("kl_divergence", information.divergence_of_sums, "Σ p log p - Σ p log q", sums.folded),
    ]
    for operation, formula, words, order in entries:
        yield Right(operation, formula, Sum(order), words)


def _products() -> Iterator[Right]:
    """The linear layer: any order."""
    entries: list[tuple[Formula, str, Order]] = [
        (linear.of_sums(bias_first=True), "the bias first", sums.sequential),
        (linear.of_sums(bias_first=True), "the bias among the products", sums.random_tree),
        (linear.of_sums(bias_first=False), "the bias last", sums.backwards),
        (linear.of_sums(bias_first=False), "the bias last", sums.kahan),
        (linear.of_sums(bias_first=False), "the bias last", sums.in_float64),
        (linear.of_matrices, "blocks of features", sums.sequential),
        (linear.in_chunks, "chunks of rows", sums.pairwise),
    ]
    for formula, words, order in entries:
        yield Right("linear", formula, Sum(order), words)


def _losses() -> Iterator[Right]:
    """The loss of logits, and of a linear layer."""
    way = rows
    of_logits: list[tuple[Form, Order]] = [
        (Form(), sums.sequential),
        (Form(gradient=loss.of_slopes), sums.random_tree),
        (Form(terms=loss.in_two_terms, gradient=loss.by_exponential), sums.pairwise),
        (Form(terms=loss.gathered, gradient=loss.scattered), sums.kahan),
        (Form(way.ByLogarithm, loss.gathered, gradient=loss.in_forward), sums.blocked),
        (Form(way.WithoutLargest, loss.in_two_terms, loss.early), sums.backwards),
        (Form(way.Reciprocal, reduce=loss.by_count), sums.in_float64),
        (Form(terms=loss.gathered, reduce=loss.late, role="total"), sums.bincount),
        (Form(terms=loss.gathered, reduce=loss.early, role="total"), sums.sequential),
        (Form(terms=loss.in_two_terms, reduce=loss.by_count, role="total"), sums.random_tree),
        (Form(reduce=loss.by_powers, gradient=loss.scattered, role="total"), sums.pairwise),
        (Form(reduce=loss.early, gradient=loss.in_forward, role="total"), sums.kahan),
        (Form(terms=loss.normalised_first, reduce=loss.before, gradient=loss.of_slopes), sums.descending),
        (Form(reduce=loss.flat, role="total"), sums.sequential),
        (Form(reduce=loss.flat, gradient=loss.of_slopes, role="total"), sums.random_tree),
        (Form(way.Base2, loss.in_two_terms), sums.lanes),
        (Form(way.Stored, loss.of_logsumexp, gradient=loss.by_exponential), sums.sequential),
        (Form(way.OnlineStored, loss.of_logsumexp, gradient=loss.in_forward), sums.sequential),
        (Form(way.Scaled, loss.gathered, gradient=loss.by_exponential), sums.sequential),
    ]
    of_features: list[tuple[Form, Order]] = [
        (Form(role="product"), sums.sequential),
        (Form(terms=loss.gathered, gradient=loss.scattered, role="product"), sums.random_tree),
        (Form(terms=loss.in_two_terms, gradient=loss.by_exponential), sums.backwards),
        (Form(way.ByLogarithm, reduce=loss.early, gradient=loss.in_forward), sums.kahan),
        (Form(reduce=loss.by_count, gradient=loss.of_slopes, role="total"), sums.pairwise),
        (Form(way.Reciprocal, loss.gathered, gradient=loss.in_forward, role="product"), sums.by_product),
        (Form(way.Online, loss.gathered, gradient=loss.in_forward), sums.sequential),
        (Form(way.OnlineStored, loss.of_logsumexp, gradient=loss.in_forward), sums.blocked),
        (Form(way.Scaled, loss.gathered, gradient=loss.by_exponential), sums.lanes),
    ]
    for operation, build, entries in (
        ("cross_entropy", loss.cross_entropy, of_logits),
        ("linear_cross_entropy", loss.linear_cross_entropy, of_features),
    ):
        for form, order in entries:
            steps = [each.__name__.replace("_", " ") for each in (form.terms, form.reduce, form.gradient)]
            words = f"{form.way.words}; terms {'; mean '.join(steps[:2])}; gradient {steps[2]}"
            words = f"{words}; the sum of {SUMS[form.role]}"
            needs = {*form.way.needs, *(("A4'",) if form.terms is loss.of_logsumexp else ())}
            yield Right(operation, build(form), Sum(order), words, tuple(sorted(needs)), below=form.way.below)


def table() -> str:
    """All of them in Markdown, for docs/generated/right_variants.md."""
    lines = ["| operation | formula | order of its sum | assumes | model |", "|---|---|---|---|---|"]
    for each in VARIANTS.values():
        order = each.sum.order.__name__.replace("_", " ")
        assumes = ", ".join(each.needs) or "A1 to A7"
        lines.append(f"| {each.operation} | {each.words} | {order} | {assumes} | `{each.model}` |")
    return "\n".join(lines) + "\n"


VARIANTS: dict[str, Right] = {each.name: each for each in (*_rows(), *_distributions(), *_products(), *_losses())}
