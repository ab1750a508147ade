"""Arithmetic models of your own kernels: sums in any order, fused, eager."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace

from ..problem.formats import FORMATS, HALF
from ..problem.losses import is_labels
from ..problem.problem import Problem
from .arithmetic import STORED, Arithmetic, any_order
from .libraries import cascade_depth, flushes_on_cpu

MORE_STORED = frozenset(("logsumexp", "scaled"))  # which few chains of operations give back between two of them


def default(problem: Problem) -> Arithmetic:
    """Any order of sums; in half precision float32 inside, and one rounding at the end."""
    return any_order(problem.dtype)


def flush_to_zero(problem: Problem) -> Arithmetic:
    """Any order, and subnormal numbers may be flushed to 0 (torch.set_flush_denormal, CUDA's -ftz=true)."""
    arithmetic = any_order(problem.dtype)
    return replace(arithmetic, name=f"{arithmetic.name}, flush to zero", flushes=True)


def stored_logsumexp(problem: Problem) -> Arithmetic:
    """Any order, and log-probabilities may be formed as x - ŷ from a rounded logsumexp, as optax does."""
    arithmetic = any_order(problem.dtype)
    name = f"{arithmetic.name}, a stored logsumexp"
    return replace(arithmetic, name=name, subtracts_logsumexp=True)


def fused(problem: Problem) -> Arithmetic:
    """A kernel that reads a row once: an online sum, exp as 2^(x log₂e), a stored logsumexp; losses stored by rows."""
    return replace(
        any_order(problem.dtype),
        name=f"fused, one rounding to {problem.dtype}",
        online=True,
        base2=True,
        subtracts_logsumexp=True,
        stored=frozenset({"terms"} if problem.dtype in HALF else ()),
    )


def fused_base_2(problem: Problem) -> Arithmetic:
    """A fused kernel that multiplies the logits by log₂e first, and takes exponentials and logarithms to base 2."""
    arithmetic = fused(problem)
    return replace(arithmetic, name=arithmetic.name.replace("fused", "fused, base 2"), scales_logits=True)


def fused_flush_to_zero(problem: Problem) -> Arithmetic:
    """A fused kernel that takes subnormal numbers for 0, as ex2.approx.ftz does on CUDA, and XLA on a CPU.

    In half precision it is the same as fused.
    """
    arithmetic = fused(problem)
    if problem.dtype in HALF:
        return arithmetic
    return replace(arithmetic, name=f"{arithmetic.name}, flushing to zero", flushes=True)


def folded_logsumexp(problem: Problem) -> Arithmetic:
    """As fused_flush_to_zero, and a logsumexp may be folded from those of blocks of 64 classes or more.

    As cut-cross-entropy folds it: y = logaddexp(y, logsumexp(block)).
    """
    arithmetic = fused_flush_to_zero(problem)
    return replace(arithmetic, name=f"{arithmetic.name}, a folded logsumexp", folded_from=64)


def eager(problem: Problem) -> Arithmetic:
    """Operations of a library of tensors one after the other: as fused, and in half precision each result is stored.

    Sums are taken in float32 inside each operation, but for the losses of labels, which torch adds up in the format of
    the logits on a CPU. In float32 and float64 it is the same as fused.
    """
    arithmetic = fused(problem)
    if problem.dtype not in HALF:
        return arithmetic
    labels = "target" in problem.inputs and is_labels(problem)
    return replace(
        arithmetic,
        name=f"eager, every result rounded to {problem.dtype}",
        stored=STORED - {"partial products", *MORE_STORED},
        total=arithmetic.storage if labels else None,
        total_depth=cascade_depth(problem) if labels else "any order",
        flushes=flushes_on_cpu(problem),
    )


def eager_cuda(problem: Problem) -> Arithmetic:
    """As eager on CUDA, where cuBLAS may also keep parts of a sum of products in half precision.

    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction and its twin for float16, both on by default.
    """
    arithmetic = eager(problem)
    if problem.dtype not in HALF:
        return arithmetic
    return replace(arithmetic, name=f"{arithmetic.name}, and partial products", stored=STORED - MORE_STORED)


def eager_stored_logsumexp(problem: Problem) -> Arithmetic:
    """As eager, and a logsumexp that is subtracted is an operation of its own, whose result is rounded as well."""
    return _stores(eager(problem), "a stored logsumexp", {"logsumexp"})


def eager_base_2(problem: Problem) -> Arithmetic:
    """The same, and so are logits that are multiplied by log₂e before anything is subtracted."""
    arithmetic = replace(eager(problem), scales_logits=True)
    return _stores(arithmetic, "base 2", MORE_STORED)


def _stores(arithmetic: Arithmetic, name: str, more: Set[str]) -> Arithmetic:
    """The same model, which also stores these results in half precision."""
    stored = arithmetic.stored | more if arithmetic.storage.name in HALF else arithmetic.stored
    return replace(arithmetic, name=f"{arithmetic.name}, {name}", stored=stored)


def through_maximum(model: Callable[[Problem], Arithmetic]) -> Callable[[Problem], Arithmetic]:
    """As another model, and derivatives go through the row's maximum, which is not detached, as autograd takes them."""

    def through(problem: Problem) -> Arithmetic:
        arithmetic = model(problem)
        return replace(arithmetic, name=f"{arithmetic.name}, through the maximum", through_maximum=True)

    return through


def in_storage(problem: Problem) -> Arithmetic:
    """Everything computed and accumulated in the format of the results: no guarantee where n·u >= 1."""
    storage = FORMATS[problem.dtype]
    source = "exp and log as in any order for float32 and float64; in half precision within 1 ulp, which is 2u."
    if problem.dtype in ("float64", "float32"):
        return any_order(problem.dtype)
    return Arithmetic(f"everything in {problem.dtype}", storage, storage, 2.0, 2.0, 2.0, source)
