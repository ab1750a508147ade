"""Failures that are a finding about torch: they are gone once what the finding is about is taken out of the problem.

Only answers count. Whoever fails in the same way is told the same, whatever its name is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..bounds.models import MODELS
from ..candidates.devices import has_amx
from ..candidates.plain_text import plain
from ..problem.formats import FORMATS, HALF
from ..problem.losses import denominator, is_labels, kept
from ..problem.problem import Array, Output, Problem
from ..problem.rows import axis_of, class_count, from_rows, main_input, reduction_of, wide_rows
from .interview import Interview, Reply

LARGEST = FORMATS["float16"].largest
FAR = 32.0  # between logits of which one class counts for nothing beside the other
NO_SOFTMAX = "zeros in place of ignored rows that have no softmax"
SMALL_SUM = "a sum of exponentials that float16 holds"
FEW_ROWS = "most rows ignored"
STORED = ("eager", "torch-cpu")  # by which an answer in half precision may be right besides


@dataclass(frozen=True)
class KnownFinding:
    """A finding by its name, whose it is, and `mended`: the same problem without what it is about, if that is in it.

    `without` is what `verify` leaves out so that it does not meet the finding, if there is such a thing; `agrees` says
    what the mended problem has, and `of_nan` what is NaN where the finding is met: a derivative, any output, or no
    derivative. `zeroed` gives an output without that NaN, if all else of it can be judged.
    """

    finding: str
    target: str
    operations: tuple[str, ...]  # the first is that of the finding
    without: str
    mended: Callable[[Problem], Problem | None]
    agrees: str = NO_SOFTMAX
    of_nan: Literal["a derivative", "any", "none"] = "a derivative"
    zeroed: Callable[[Problem, str, Output], Output] | None = None
    device: str = ""  # on which alone it is met; any, where it is empty

    def shows(self, output: str, of_nan: bool) -> bool:
        """Whether it is met where this output is wrong, by NaN or not."""
        if self.of_nan == "any":
            return of_nan
        return (self.of_nan == "a derivative") == (of_nan and output != "value")

    def __str__(self) -> str:
        return f"as in finding {self.finding} of {self.target} (softproof findings): it agrees with {self.agrees}"


def known_finding(interview: Interview, witness: Reply) -> KnownFinding | None:
    """The finding that a failure is: it shows as the finding does, and the mended problem agrees."""
    output, index, problem = witness.verdict.output, witness.verdict.index, witness.problem
    if not output:
        return None
    of_nan = bool(np.isnan(witness.result.outputs[output].values[index]))
    for known in KNOWN:
        if problem.operation not in known.operations or not known.shows(output, of_nan):
            continue
        if known.device not in ("", interview.device.split(":")[0]):
            continue
        mended = known.mended(problem)
        reply = None if mended is None else interview.ask(mended)
        if reply is not None and _agrees(interview, reply):
            return known
    return None


def _agrees(interview: Interview, reply: Reply) -> bool:
    """Whether an answer does; in half precision also if it is rounded on the way, which no finding here is about."""
    if reply.verdict.ok or reply.problem.dtype not in HALF:
        return reply.verdict.ok
    return any(interview.judged(reply.problem, reply.result, MODELS[name]).ok for name in STORED)


def what_to_do(known: KnownFinding, interview: Interview, problem: Problem) -> str:
    """Leave out what it is about, or expect it."""
    row = f"{plain(interview.candidate.name)} {problem.operation} {problem.dtype} {interview.device}"
    expected = f"--expected-failures FILE, with the line {row!r}, expects it"
    return f"--without {known.without} judges the rest; {expected}" if known.without else expected


def _with_input(problem: Problem, name: str, array: Array) -> Problem:
    return replace(problem, inputs={**problem.inputs, name: array})


def _no_softmax(rows: Array) -> Array:
    """Rows (r, C) whose largest logit is no number: (r,)."""
    return np.asarray(~np.isfinite(rows.max(-1, initial=-np.inf)))


def _logits_of_ignored_rows(problem: Problem) -> Problem | None:
    """With 0 for the logits of ignored rows that have no softmax."""
    if not is_labels(problem):
        return None
    logits, axis = problem.inputs["logits"], axis_of(problem)
    rows = wide_rows(logits, axis)  # (r, C)
    wrong = ~kept(problem) & _no_softmax(rows)
    zeroed = from_rows(np.where(wrong[:, None], 0.0, rows), logits.shape, axis)
    return _with_input(problem, "logits", zeroed.astype(logits.dtype)) if wrong.any() else None


def _zeroed(problem: Problem, name: str, output: Output) -> Output:
    """With 0 for NaN in the gradient of the logits of ignored rows that have no softmax, and in its derivative."""
    shape = problem.inputs["logits"].shape if problem.operation == "cross_entropy" and is_labels(problem) else None
    if name not in ("grad_logits", "hvp_logits") or output.values.shape != shape:
        return output
    axis = axis_of(problem)
    wrong = ~kept(problem) & _no_softmax(wide_rows(problem.inputs["logits"], axis))  # (r,)
    rows = wide_rows(output.values, axis)  # (r, C)
    zeroed = np.where(wrong[:, None] & np.isnan(rows), rows.dtype.type(0), rows)
    return replace(output, values=np.ascontiguousarray(from_rows(zeroed, shape, axis)))


def _input_of_ignored_rows(problem: Problem) -> Problem | None:
    """With 0 for the input of ignored rows whose logits have no softmax."""
    weight = problem.inputs["linear_weight"]
    if not is_labels(problem) or weight.ndim != 2:
        return None
    given = main_input(problem)
    rows = given.reshape(-1, given.shape[-1])  # (N, F)
    with np.errstate(all="ignore"):
        logits = (rows.astype(np.float64) @ weight.T.astype(np.float64)).astype(weight.dtype)  # (N, C)
    wrong = ~kept(problem) & _no_softmax(logits)
    zeroed = np.where(wrong[:, None], rows.dtype.type(0), rows).reshape(given.shape)
    return _with_input(problem, "input", zeroed) if wrong.any() else None


def _sum_that_is_held(problem: Problem) -> Problem | None:
    """With a distance between one class in eight and the others, so that no sum of exponentials overflows float16."""
    if problem.dtype != "float16":
        return None
    if "linear_weight" in problem.inputs:
        return _with_lower_biases(problem)
    inputs, mended = problem.inputs, dict[str, Array]()
    for name in (each for each in inputs if "logits" in each):
        held = _held(inputs[name], axis_of(problem))
        if held is None:
            return None
        mended |= {} if held is inputs[name] else {name: held}
    return replace(problem, inputs={**inputs, **mended}) if mended else None


def _held(logits: Array, axis: int | tuple[int, ...]) -> Array | None:
    """The same, where no sum of exponentials overflows, or others; None where there are none."""
    rows = wide_rows(logits, axis)  # (r, C)
    if not (_sums(rows) >= LARGEST).any():
        return logits
    high = np.arange(rows.shape[-1]) % 8 == 0
    room = rows.min(initial=0.0, where=np.isfinite(rows)) > FAR - LARGEST
    moved = np.where(high, rows, rows - FAR) if room else np.where(high, rows + FAR, rows)
    moved = FORMATS["float16"].round(np.where(np.isfinite(rows), np.clip(moved, -LARGEST, LARGEST), rows))
    return None if (_sums(moved) >= LARGEST).any() else from_rows(moved, logits.shape, axis).astype(logits.dtype)


def _sums(rows: Array) -> Array:
    """Σ exp(x - max x) of rows (r, C) that have a softmax, 0 of the others: (r,)."""
    most = rows.max(-1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(np.exp(rows - most).sum(-1)))


def _with_lower_biases(problem: Problem) -> Problem | None:
    """The same of a linear classifier of that many classes, by its bias."""
    weight = problem.inputs["linear_weight"]
    if weight.ndim != 2 or len(weight) < LARGEST:
        return None
    bias = problem.inputs.get("linear_bias", np.zeros(len(weight), weight.dtype))
    lower = np.where(np.arange(len(weight)) % 8 == 0, bias, bias - FAR)
    return _with_input(problem, "linear_bias", FORMATS["float16"].round(lower).astype(weight.dtype))


def _few_rows(problem: Problem) -> Problem | None:
    """With one row that counts, where a mean of labels divides by more than float16 holds."""
    if problem.dtype != "float16" or not is_labels(problem) or reduction_of(problem) != "mean":
        return None
    if abs(denominator(problem, class_count(problem))) < LARGEST:
        return None
    target, counts = problem.inputs["target"].reshape(-1), kept(problem)
    label = np.where(counts, target, -1).max()  # of a row that counts
    first = int(np.flatnonzero(counts & (target == label))[0])
    ignored = np.where(np.arange(target.size) == first, target, problem.options.get("ignore_index", -100))
    return _with_input(problem, "target", ignored.reshape(problem.inputs["target"].shape))


def is_read_beyond(problem: Problem) -> bool:
    """Whether bfloat16 arrays are parts of larger ones, and tiles of the CPU may load what lies behind their rows."""
    sliced = any(problem.layout_of(name) == "sliced" for name in (*problem.inputs, "grad_output"))
    return sliced and problem.dtype == "bfloat16" and has_amx()


def _contiguous(problem: Problem) -> Problem | None:
    return replace(problem, layout="contiguous") if is_read_beyond(problem) else None


_F = "torch.nn.functional:"
_LOSSES = ("cross_entropy", "linear_cross_entropy")
KNOWN = (
    KnownFinding(
        "gradient-of-an-ignored-row-of-nan",
        _F + "cross_entropy",
        ("cross_entropy",),
        "nonfinite",
        _logits_of_ignored_rows,
        zeroed=_zeroed,
    ),
    KnownFinding(
        "gradient-of-an-ignored-row",
        _F + "linear_cross_entropy",
        ("linear_cross_entropy",),
        "ignore_index",
        _input_of_ignored_rows,
    ),
    KnownFinding(
        "log-softmax-overflows-its-sum",
        _F + "log_softmax",
        ("log_softmax", "softmax_entropy", "softmax_kl_divergence", *_LOSSES),
        "",
        _sum_that_is_held,
        SMALL_SUM,
        of_nan="none",
    ),
    KnownFinding(
        "logsumexp-overflows-its-sum",
        "torch:logsumexp",
        ("logsumexp",),
        "",
        _sum_that_is_held,
        SMALL_SUM,
        of_nan="none",
    ),
    KnownFinding(
        "cross-entropy-overflows-its-count", _F + "cross_entropy", _LOSSES, "", _few_rows, FEW_ROWS, of_nan="none"
    ),
    KnownFinding(
        "linear-reads-beyond-its-rows",
        _F + "linear",
        ("linear", "linear_cross_entropy"),
        "layouts",
        _contiguous,
        "contiguous arrays",
        of_nan="any",
        device="cpu",
    ),
)
