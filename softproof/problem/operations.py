"""The operations under judgement: the names, order and differentiability of their arguments.

The order is that of `torch.nn.functional`. A positional input may be called anything by the implementation (torch says
``input`` where we say ``logits``); what is passed by keyword must have the name given here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

AS_INPUT, PER_ROW, OF_LOSS, OF_LAYER = "as the input", "one per row", "a loss", "a layer"  # shapes of values


@dataclass(frozen=True)
class Operation:
    """One operation: positional `inputs`, `optional` inputs, `options`, the inputs that have `gradients`.

    `kinds` names what not everybody takes or gives: kinds of input, and derivatives in a direction, which are the
    Jacobian times a vector, "jvp", and the derivative of the gradient, the Hessian times a vector, "hvp".

    `home` is the name of the files that have its truth, its bound, its strategy, its mutants and its right variants
    (`homes.py`). `value` says what shape the value has: that of the first input, one number per row, that of a loss, or
    that of a layer. `by_rows` says whether rows can be judged by themselves, a reduced loss apart; `constants` names
    inputs that are one positive number for all rows; `long` the dimensions that are long in large problems.
    """

    home: str
    inputs: tuple[str, ...]
    optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    gradients: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    value: str = AS_INPUT
    by_rows: bool = True
    constants: tuple[str, ...] = ()
    long: tuple[str, ...] = ()

    @property
    def extras(self) -> tuple[str, ...]:
        """What an implementation may leave out."""
        return self.optional + self.options + self.kinds


# Kinds of input that not everybody takes: labels, or probabilities, as target, and such that do not sum to 1 or are
# negative; logits without a batch; class weights below 0; labels of no class, which must raise; losses of rows
# that are all ignored; ignored rows that are not finite; rows that are not finite;
# classes that are masked, by -inf in a row that has other logits; no rows; rows of no class; a single number; logsumexp
# over several axes; a classifier with a weight for each of many positions, (C, d1, …, D), the K-dimensional form.
# Entropy and divergence, too, may be asked of what does not sum to 1, and of probabilities of 0. Of those that take a
# reduction, not everybody takes all three.
REDUCTIONS = ("none", "sum", "mean")
OF_REDUCTIONS = {f"reduction={name}": name for name in REDUCTIONS}
_LOSS_KINDS = ("labels", "probabilities", "unnormalised", "unbatched", "negative_weights", "invalid_labels",
               "all_ignored", *OF_REDUCTIONS)  # fmt: skip
_EMPTY = ("empty",)
_SHARES = ("unnormalised", "zeros", *_EMPTY)
LOSS_DEFAULTS = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
DEFAULTS = {"dim": -1, "keepdim": False, **LOSS_DEFAULTS}
_LOSS_OPTIONS = tuple(LOSS_DEFAULTS)
DIRECTIONAL = ("jvp", "hvp")  # derivatives in a direction, which not everybody has
_LOGIT_KINDS = ("nonfinite", "masked", *DIRECTIONAL, *_EMPTY)
_ANY_SHAPE = (*_LOGIT_KINDS, "empty_classes", "scalars")

_ROWS = ("batch", "positions", "classes")
_LAYER = (*_ROWS, "features")

OPERATIONS = {
    "softmax": Operation("softmax", ("logits",), options=("dim",), gradients=("logits",), kinds=_ANY_SHAPE, long=_ROWS),
    "log_softmax": Operation(
        "softmax", ("logits",), options=("dim",), gradients=("logits",), kinds=_ANY_SHAPE, long=_ROWS
    ),
    "logsumexp": Operation(
        "softmax",
        ("logits",),
        options=("dim", "keepdim"),
        gradients=("logits",),
        kinds=(*_ANY_SHAPE, "several_dims"),
        value=PER_ROW,
        long=_ROWS,
    ),
    "entropy": Operation(
        "information", ("p",), options=("dim",), gradients=("p",), kinds=_SHARES, value=PER_ROW, long=_ROWS
    ),
    "distribution_cross_entropy": Operation(
        "information", ("p", "q"), options=("dim",), gradients=("p", "q"), kinds=_SHARES, value=PER_ROW, long=_ROWS
    ),
    "kl_divergence": Operation(
        "information", ("p", "q"), options=("dim",), gradients=("p", "q"), kinds=_SHARES, value=PER_ROW, long=_ROWS
    ),
    "softmax_entropy": Operation(
        "softmax_information",
        ("logits",),
        options=("dim",),
        gradients=("logits",),
        kinds=("nonfinite", "masked", *_EMPTY),
        value=PER_ROW,
        long=_ROWS,
    ),
    "softmax_kl_divergence": Operation(
        "softmax_information",
        ("p_logits", "q_logits"),
        options=("dim",),
        gradients=("p_logits", "q_logits"),
        kinds=_EMPTY,
        value=PER_ROW,
        long=_ROWS,
    ),
    "linear": Operation(
        "linear",
        ("input", "weight"),
        optional=("bias",),
        gradients=("input", "weight", "bias"),
        kinds=_EMPTY,
        value=OF_LAYER,
        by_rows=False,
        long=_LAYER,
    ),
    "cross_entropy": Operation(
        "cross_entropy",
        ("logits", "target"),
        optional=("weight",),
        options=_LOSS_OPTIONS,
        gradients=("logits", "target"),
        kinds=(*_LOSS_KINDS, "ignored_nonfinite", *_LOGIT_KINDS),
        value=OF_LOSS,
        long=_ROWS,
    ),
    "linear_cross_entropy": Operation(
        "cross_entropy",
        ("input", "linear_weight", "target"),
        optional=("linear_bias", "weight"),
        options=_LOSS_OPTIONS,
        gradients=("input", "linear_weight", "linear_bias"),
        kinds=(*_LOSS_KINDS, *_EMPTY, "k_dimensional"),
        value=OF_LOSS,
        by_rows=False,
        long=_LAYER,
    ),
}


def labels_in(extras: Collection[str]) -> bool:
    """Whether a loss may be asked of labels, by whoever takes these extras: they are the usual target.

    >>> labels_in(["probabilities"]), labels_in(["labels", "probabilities"]), labels_in([])
    (False, True, True)
    """
    return "labels" in extras or "probabilities" not in extras


def reductions(extras: Collection[str]) -> tuple[str, ...]:
    """The reductions that may be asked of who takes these extras: all, unless some are named.

    >>> reductions({"reduction", "reduction=sum"}), reductions(())
    (('sum',), ('none', 'sum', 'mean'))
    """
    return tuple(name for kind, name in OF_REDUCTIONS.items() if kind in extras) or REDUCTIONS
