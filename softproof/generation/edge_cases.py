"""The edge cases: special values, empty things, options that meet, each as one question whose number never changes.

A row says what follows from the definition, what torch documents, and what the judge demands: the exact value (a
number, an infinity or NaN), or an error; or it is unspecified, and says what is right besides the exact value, which is
a rule of `unspecified`. docs/theory/semantics.md shows the rows beside what implementations do.
"""

from __future__ import annotations

from .edges.information import distribution_edge_cases
from .edges.linear import linear_edge_cases
from .edges.loss_infinities import infinite_edge_cases, rounding_edge_cases, weightless_edge_cases
from .edges.loss_options import normaliser_edge_cases, option_edge_cases
from .edges.loss_targets import single_edge_cases, target_edge_cases, wide_edge_cases
from .edges.softmax import logsumexp_edge_cases, softmax_edge_cases, softmax_entropy_edge_cases

SECTIONS = {
    "Softmax and log-softmax": tuple(softmax_edge_cases()),
    "Logsumexp": tuple(logsumexp_edge_cases()),
    "Entropy, cross-entropy and divergence of distributions": tuple(distribution_edge_cases()),
    "Cross-entropy: all combinations of options": tuple(option_edge_cases()),
    "Cross-entropy: what the mean divides by": tuple(normaliser_edge_cases()),
    "Cross-entropy: logits that are not finite": tuple(infinite_edge_cases()),
    "Cross-entropy: targets": tuple(target_edge_cases()),
    "Cross-entropy: infinite terms whose coefficients round": tuple(rounding_edge_cases()),
    "Rows without a softmax that weigh nothing": tuple(weightless_edge_cases()),
    "Cross-entropy: without a batch": tuple(single_edge_cases()),
    "Linear classifier": tuple(linear_edge_cases()),
    "Cross-entropy: labels of more than 32 bits": tuple(wide_edge_cases()),
    "Entropy of a softmax": tuple(softmax_entropy_edge_cases()),
}
EDGE_CASES = tuple(edge_case for section in SECTIONS.values() for edge_case in section)
