"""Arithmetic models by name: for each problem, what a library is known to do with it.

A model is a function from a Problem to an Arithmetic. `--arithmetic` takes a name from MODELS, or
``package.module:object`` for a model (or one Arithmetic) of your own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from ..problem.problem import Problem
from ..problem.validation import did_you_mean, shown
from .arithmetic import Arithmetic
from .kernels import (
    default,
    eager,
    eager_base_2,
    eager_cuda,
    eager_stored_logsumexp,
    flush_to_zero,
    folded_logsumexp,
    fused,
    fused_base_2,
    fused_flush_to_zero,
    in_storage,
    stored_logsumexp,
    through_maximum,
)
from .libraries import numpy, torch_cpu, torch_cuda, torch_cuda_tf32

Model = Callable[[Problem], Arithmetic]


MODELS: dict[str, Model] = {
    "any-order": default,
    "numpy": numpy,
    "torch-cpu": torch_cpu,
    "torch-cuda": torch_cuda,
    "torch-cuda-tf32": torch_cuda_tf32,
    "float32-inside": default,
    "storage": in_storage,
    "flush-to-zero": flush_to_zero,
    "stored-logsumexp": stored_logsumexp,
    "fused": fused,
    "fused-flush-to-zero": fused_flush_to_zero,
    "fused-base-2": fused_base_2,
    "folded-logsumexp": folded_logsumexp,
    "eager": eager,
    "eager-cuda": eager_cuda,
    "eager-stored-logsumexp": eager_stored_logsumexp,
    "eager-base-2": eager_base_2,
}
THROUGH = "-through-maximum"
MODELS |= {name + THROUGH: through_maximum(MODELS[name]) for name in
           ("any-order", "stored-logsumexp", "fused", "fused-flush-to-zero", "folded-logsumexp", "eager", "eager-cuda")
           }  # fmt: skip


def model(arithmetic: str | Arithmetic | Model | None) -> Model:
    """The model that is meant: by name, as ``package.module:object``, one Arithmetic for all problems, or itself.

    >>> model("numpy")(Problem("softmax", "float32", {"logits": [0.0]})).name
    'numpy'
    """
    if arithmetic is None:
        return default
    if isinstance(arithmetic, str):
        arithmetic = MODELS[arithmetic] if arithmetic in MODELS else _imported(arithmetic)
    if isinstance(arithmetic, Arithmetic):
        chosen = arithmetic
        return lambda _problem: chosen
    if not callable(arithmetic):
        kinds = "a name from softproof.MODELS, an Arithmetic, or a function from a problem to one"
        raise TypeError(f"arithmetic is {shown(arithmetic)}; expected {kinds}")
    return arithmetic


def arithmetic_of(chosen: Model, problem: Problem) -> Arithmetic:
    """What a model says of a problem; TypeError or ValueError where it is no arithmetic for its dtype, or raised."""
    try:
        arithmetic = chosen(problem)
    except Exception as error:  # whatever a model of one's own does
        name = getattr(chosen, "__name__", type(chosen).__name__)
        raised = f"{type(error).__name__}: {error}"
        raise ValueError(f"arithmetic {name!r} raised {raised}; asked for {problem.operation}") from error
    if not isinstance(arithmetic, Arithmetic):
        raise TypeError(f"the arithmetic model gave a {type(arithmetic).__name__}; expected a softproof.Arithmetic")
    if arithmetic.storage.name != problem.dtype:
        raise ValueError(
            f"arithmetic {arithmetic.name!r} stores {arithmetic.storage.name}; the problem is in {problem.dtype}"
        )
    return arithmetic


def _imported(name: str) -> Arithmetic | Model:
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(f"arithmetic is {name!r}; expected one of {', '.join(MODELS)}, or package.module:object"
                         + did_you_mean(name, MODELS))  # fmt: skip
    try:
        imported = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(f"arithmetic is {name!r}: {error}") from error
    except (Exception, SystemExit) as error:  # whatever its module does
        raise ValueError(f"arithmetic is {name!r}: importing it raised {type(error).__name__}: {error}") from error
    if not isinstance(imported, Arithmetic) and not callable(imported):
        raise TypeError(
            f"arithmetic {name!r} is a {type(imported).__name__}; expected an Arithmetic, or a function to one"
        )
    chosen: Arithmetic | Model = imported
    return chosen
