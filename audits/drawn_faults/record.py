"""A drawn fault: what is wrong, where, and from which size on; all of it follows from the family and a number.

Those for building may be looked at one by one while a generator is changed. Those for reporting are looked at in sums
alone: who mends what he sees among them has no figure any more. There are two families of each: operations that came
later have their own, so that each number stays the fault that it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from softproof import OPERATIONS
from softproof.problem.formats import FORMATS

from .places import DIMENSIONS_OF, REGIONS
from .steps import SUMS, steps_of

BUILDING, REPORTING, BUILDING_LATER, REPORTING_LATER = 1, 2, 3, 4  # families
MOST = {"rows": 65537, "batch": 65537, "positions": 65537, "classes": 262144, "features": 65537}
VOCABULARIES = (32000, 32768, 50257, 128256, 151936, 152064, 256000, 262144)
LIMITS = (65535, 65536)  # of a grid

KINDS = {
    "output": 0.27, "sum": 0.24, "precision": 0.2, "accumulator": 0.05, "mask": 0.1, "option": 0.1, "lifetime": 0.04,
}  # fmt: skip
LANES, FEW = 64, 4  # an accumulator is rounded after so many summands, and from so many times on
CONDITIONED = 0.3  # the share of those that could have a condition
EFFECTS = {
    "output": ("forgotten", "forgotten", "doubled", "neighbour", "NaN", "slightly off"),
    "sum": ("forgotten", "forgotten", "doubled"),
    "mask": ("stops", "gradient lost", "NaN", "counted"),
    "option": ("not taken",),
    "lifetime": ("gradient in the value's memory", "gradient when the value is dropped", "value in a workspace",
                 "tail of the last call", "wrong after some calls"),
}  # fmt: skip
COARSER = {
    "float64": ("float32", "float32", "tf32", "float16", "bfloat16"),
    "float32": ("tf32", "float16", "bfloat16"),
    "float16": ("float16", "bfloat16"),
    "bfloat16": ("bfloat16",),
}
RUNS = ("first", "last", "any", "all but one")
_OF_LABELS = ("cross_entropy", "linear_cross_entropy")
_OF_LOGITS = ("softmax", "log_softmax", "logsumexp", "cross_entropy", "softmax_entropy")
_OF_LOSS = ("reduction none", "reduction mean", "reduction sum", "weight", "label_smoothing", "ignored labels",
            "probabilities")  # fmt: skip
_FIRST = (
    *("softmax", "log_softmax", "logsumexp", "entropy", "distribution_cross_entropy", "kl_divergence"),
    *("linear", "cross_entropy", "linear_cross_entropy"),
)
_LATER = (
    "softmax_entropy",
    "softmax_kl_divergence",
)
DRAWN_OF = {BUILDING: _FIRST, REPORTING: _FIRST, BUILDING_LATER: _LATER, REPORTING_LATER: _LATER}
WHEN = dict.fromkeys(OPERATIONS, ("dim not last", "strided")) | {
    "linear": ("bias", "strided"),
    "cross_entropy": (*_OF_LOSS, "strided"),
    "linear_cross_entropy": (*_OF_LOSS, "bias"),
}
OPTIONS = {
    "softmax": ("dim not last",), "log_softmax": ("dim not last",), "linear": ("bias",),
    "cross_entropy": ("weight", "label_smoothing", "ignored labels"),
    "linear_cross_entropy": ("weight", "label_smoothing", "ignored labels", "bias"),
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What is wrong, from which size of which dimension on, and under which option.

    `step` names a step of `steps` for a sum or an intermediate result, else `output` is hit, or "gradients" together.
    `effect` is the format, where something is rounded. `run` tells where a tile is masked as a whole.
    """

    family: int
    number: int
    kind: str
    operation: str
    dtype: str
    dimension: str
    threshold: int
    tile: int
    region: str
    effect: str
    output: str = ""
    step: str = ""
    when: str = ""
    run: str = ""

    @property
    def name(self) -> str:
        """In one line."""
        above = f"{self.dimension} > {self.threshold}"
        words = (self.kind, self.output, self.step, self.effect, self.run, self.region, above, f"tile {self.tile}",
                 self.when)  # fmt: skip
        return f"{self.operation} {self.dtype}: {', '.join(word for word in words if word)}"


Item = TypeVar("Item")


def drawn(family: int, number: int) -> Fault:
    """The fault of a family with this number."""
    rng = np.random.default_rng((family, number))
    operation, dtype = _one(rng, DRAWN_OF[family]), _one(rng, tuple(FORMATS))
    kind = _kind(rng, operation)
    step, dimension = _place(rng, kind, operation)
    threshold = max(_threshold(rng, dimension), FEW * LANES if kind == "accumulator" else 0)
    tile = int(2 ** rng.integers(1, 1 + min(11, max(1, int(np.log2(threshold))))))
    output, when = _output(rng, kind, operation, dtype, dimension)
    return Fault(
        family,
        number,
        kind,
        operation,
        dtype,
        dimension,
        threshold,
        tile,
        region=_one(rng, REGIONS) if kind in ("output", "sum", "option") else "all",
        effect=_effect(rng, kind, dtype, dimension),
        output=output,
        step=step,
        when=when,
        run="" if kind != "mask" else _one(rng, RUNS if dimension == "rows" else RUNS[:3]),
    )


def _kind(rng: np.random.Generator, operation: str) -> str:
    kinds = [kind for kind in KINDS if _may(kind, operation)]
    weights = np.array([KINDS[kind] for kind in kinds])
    return kinds[rng.choice(len(kinds), p=weights / weights.sum())]


def _place(rng: np.random.Generator, kind: str, operation: str) -> tuple[str, str]:
    """The step, if one is wrong, and the dimension whose size counts: that of a sum is the one it is over."""
    if kind in ("sum", "accumulator"):
        return _one(rng, [each for each in steps_of(operation) if each[1] and _sums(kind, each[0])])
    dimension = _one(rng, DIMENSIONS_OF[operation])
    if kind == "precision":
        return _one(rng, steps_of(operation))[0], dimension
    if kind == "mask":
        dimension = _one(rng, [*(["rows"] * (operation in _OF_LABELS)), *(["classes"] * (operation in _OF_LOGITS))])
    if kind == "lifetime" or (kind == "option" and operation == "linear"):
        dimension = "rows"
    return "", dimension


def _output(rng: np.random.Generator, kind: str, operation: str, dtype: str, dimension: str) -> tuple[str, str]:
    """The output that is hit, where that is no step's affair, and the option without which nothing is wrong."""
    if kind == "option":
        when = _one(rng, OPTIONS[operation])
        if operation == "linear":  # whose bias is in the value alone
            return "value", when
        return _one(rng, [name for name in _outputs(operation, "", dimension) if "bias" not in name]), when
    output = _one(rng, _outputs(operation, dtype, dimension)) if kind == "output" else ""
    if output == "grad_target" or "bias" in output:
        return output, "probabilities" if output == "grad_target" else "bias"
    if kind not in ("output", "sum", "precision") or rng.random() >= CONDITIONED:
        return output, ""
    reduces = ("reduction mean", "reduction sum") if output == "value" else ()  # after which it has no rows
    return output, _one(rng, [each for each in WHEN[operation] if each not in reduces])


def _effect(rng: np.random.Generator, kind: str, dtype: str, dimension: str) -> str:
    if kind == "mask" and dimension == "classes":
        return _one(rng, ("NaN", "stops"))
    return _one(rng, COARSER[dtype] if kind in ("precision", "accumulator") else EFFECTS[kind])


def _one(rng: np.random.Generator, of: Sequence[Item]) -> Item:
    return of[int(rng.integers(len(of)))]


def _sums(kind: str, step: str) -> bool:
    """Whether a step is a sum of that kind: of a maximum nothing accumulates."""
    name = step.split()[1]
    return name in SUMS and (kind == "sum" or name != "amax")


def _may(kind: str, operation: str) -> bool:
    if kind == "mask":
        return operation in (*_OF_LABELS, *_OF_LOGITS)
    return kind != "option" or operation in OPTIONS


def _threshold(rng: np.random.Generator, dimension: str) -> int:
    """Log-uniform, or a limit of a tile, a warp, a chunk or a grid, or a real vocabulary."""
    most, kind = MOST[dimension], rng.integers(0, 8)
    if kind < 4:
        return int(2.0 ** rng.uniform(0, np.log2(most)))
    power = 1 << int(rng.integers(1, int(np.log2(most)) + 1))
    if kind < 6:
        found = power + int(rng.integers(-1, 2))
    elif kind == 6:
        found = power // 2 * 3
    else:
        found = int(_one(rng, VOCABULARIES if dimension == "classes" else LIMITS))
    return min(max(found, 1), most - 1)


_ROWED = {"rows", "batch", "positions"}


def _outputs(operation: str, dtype: str, dimension: str) -> tuple[str, ...]:
    """The outputs that have a dimension; derivatives in a direction, where there are some, in two formats."""
    gradients = [f"grad_{name}" for name in OPERATIONS[operation].gradients]
    if operation.startswith("linear"):
        has = {"grad_input": _ROWED | {"features"}, "grad_weight": {"classes", "features"}, "grad_bias": {"classes"}}
        has["value"] = _ROWED | ({"classes"} if operation == "linear" else set())
        own = ["value", *gradients]
        return tuple(name for name in own if dimension in has[name.replace("linear_", "")])
    values = ["value"] if dimension != "classes" or operation in ("softmax", "log_softmax") else []
    if "jvp" in OPERATIONS[operation].kinds and dtype in ("float64", "float32"):
        gradients += ["hvp_logits", *("jvp" for _ in values)]
    return (*values, *gradients)
