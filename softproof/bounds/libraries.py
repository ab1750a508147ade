"""Arithmetic models of libraries: what NumPy and torch do with a problem, as their sources say."""

from __future__ import annotations

from dataclasses import replace
from platform import machine

import numpy as np

from ..problem.formats import HALF, Format
from ..problem.losses import is_labels, kept
from ..problem.problem import Problem
from ..problem.rows import class_axes, is_by_rows
from .arithmetic import NUMPY64, Arithmetic, any_order

TF32 = Format("tf32", precision=11, e_min=-126, e_max=127)  # NVIDIA A100 Tensor Core GPU Architecture, 2020

# What of a row torch keeps in half precision on the CPU: ATen/native/cpu/LogSoftmaxKernelImpl.h and ReduceOps.cpp.
MATRICES = ("linear", "linear_cross_entropy")  # which multiply them
_ROW = {
    ("softmax", "last"): {"output"},
    ("softmax", "other"): {"output", "exp"},  # columns past a multiple of the vector's width
    ("log_softmax", "last"): {"output", "sum", "log"},
    ("log_softmax", "other"): {"output"},
    ("logsumexp", "last"): {"output", "shift", "exp", "sum", "log"},
    ("logsumexp", "other"): {"output", "shift", "exp", "sum", "log"},
}


def numpy(problem: Problem) -> Arithmetic:
    """NumPy as `manual` uses it: pairwise sums along the last axis of a contiguous array; float16 in float32."""
    contiguous = problem.layout == "contiguous" and _layout(problem) == "last"
    depth = "numpy" if contiguous and is_by_rows(problem) else "any order"
    summed = problem.operation == "cross_entropy" or (problem.operation == "log_softmax" and problem.dtype != "float16")
    backward = depth if summed else "any order"  # einsum takes Σ g p; a sum that converts is taken in pieces
    if problem.dtype == "float64":
        return replace(NUMPY64, depth=depth, backward_depth=backward)
    return replace(
        any_order(problem.dtype),
        name="numpy" if problem.dtype == "float32" else "numpy in float32, one rounding to float16",
        c_exp=3.6,
        depth=depth,
        backward_depth=backward,
        total_depth="numpy",
        quotient=True,
        divides=True,
        source="expf: loops_exponent_log.dispatch.c.src states 2.1264e-7 <= 3.6u; logf as in any order; "
        "sums: pairwise, loops_utils.h.src.",
    )


def torch_cpu(problem: Problem) -> Arithmetic:
    """torch on the CPU, read in its source and measured with 2.13: lanes, cascades, and what half precision stores."""
    base, half = any_order(problem.dtype), problem.dtype in HALF
    last = _layout(problem) == "last"
    in_lanes = last and problem.operation in ("softmax", "log_softmax", "cross_entropy")
    depth = _lanes(problem.dtype) if in_lanes else "any order"
    arithmetic = replace(
        base,
        name=f"torch cpu, {_layout(problem)} dim" if is_by_rows(problem) else "torch cpu",
        c_exp=2.0,
        c_log=2.0,
        depth=depth,
        backward_depth=depth,
        total_depth=cascade_depth(problem) if _is_cascade(problem, half) else "any order",
        quotient=True,
        divides=True,
        source="exp, log: SLEEF, 1.0 ulp, and MKL VML, below 1 ulp: 2u; order of sums: vec/functional_base.h and "
        "LossNLL.cpp; stored results: LogSoftmaxKernelImpl.h, LossNLL.cpp, ReduceOps.cpp; torch 2.13.0 emulated.",
    )
    if not half:
        return arithmetic
    return replace(
        arithmetic,
        stored=frozenset(_stored_on_cpu(problem) | of_derivatives(problem)),
        total=base.storage if "target" in problem.inputs and is_labels(problem) else None,
        flushes=flushes_on_cpu(problem),
    )


def _lanes(dtype: str) -> str:
    """How many lanes torch's vectors have at least: of 32 bytes on x86-64, of 16 elsewhere (cpu/vec/vec_base.h)."""
    size = 32 if machine() in ("x86_64", "AMD64") else 16
    return f"{size // (8 if dtype == 'float64' else 4)} lanes"


def flushes_on_cpu(problem: Problem) -> bool:
    """Whether torch takes subnormal numbers for 0: in products of matrices by VDPBF16PS (Intel SDM)."""
    return problem.dtype == "bfloat16" and problem.operation in MATRICES


def of_derivatives(problem: Problem) -> set[str]:
    """Derivatives in a direction are compositions of torch's own operations, each of which rounds its result.

    tools/autograd/derivatives.yaml and torch/csrc/autograd/FunctionsManual.cpp: softmax_double_backward, logsumexp_jvp.
    """
    return set() if problem.tangent is None else {"derivatives"}


def _stored_on_cpu(problem: Problem) -> set[str]:
    """Which intermediate results torch keeps in half precision on the CPU."""
    if problem.operation == "linear":
        strided = "bias" in problem.inputs and problem.layout != "contiguous"
        return {"product"} if strided else set()
    if problem.operation.startswith(("softmax_entropy", "softmax_kl")):  # log_softmax, softmax, a product and a sum
        return {"output", "exp", "sum", "log", "terms", "total"}
    if "target" not in problem.inputs:
        return _ROW.get((problem.operation, _layout(problem)), {"terms"})
    stored = {*_ROW["log_softmax", _layout(problem)], "terms"}
    if not is_labels(problem) or problem.options.get("label_smoothing"):
        stored.add("total")
    return stored | ({"logits"} if problem.operation == "linear_cross_entropy" else set())


def _is_cascade(problem: Problem, half: bool) -> bool:
    """Whether torch sums the losses of labels by its cascade.

    The uniform part of a smoothed loss is summed otherwise; in half precision by float32, which is more accurate.
    """
    labels = "target" in problem.inputs and is_labels(problem)
    return labels and (half or not problem.options.get("label_smoothing"))


def cascade_depth(problem: Problem) -> int:
    """Additions on the longest path of LossNLL.cpp's cascade: eight partial sums, each for sixteen of the one before.

    A sum is passed on after a row whose number is a multiple of 16, 256, …; an ignored row passes nothing on.
    """
    counted = np.flatnonzero(kept(problem))
    summands, depth = counted, 8  # the partial sums are added up in the end
    for level in range(1, 8):
        passing = counted[counted % 16**level == 0]
        groups = np.bincount(np.searchsorted(passing, summands), minlength=1)
        depth += int(groups.max())
        summands = passing
    return depth


def torch_cuda(problem: Problem) -> Arithmetic:
    """torch on CUDA, read in its source, and measured on one GPU (docs/generated/gpu.md)."""
    base, half = any_order(problem.dtype), problem.dtype in HALF
    kernels = ("softmax", "log_softmax", "cross_entropy")
    stored: set[str] = set()
    if half:
        stored = {"output", "terms", "total", "partial products"}
        stored |= _ROW["logsumexp", "last"] if problem.operation == "logsumexp" else set()
        stored |= {"logits"} if problem.operation == "linear_cross_entropy" else set()
        stored |= of_derivatives(problem)
    return replace(
        base,
        name="torch cuda",
        c_log=3.0,
        depth="cuda" if problem.operation in kernels and _layout(problem) == "last" else "any order",
        stored=frozenset(stored),
        quotient=True,
        source="exp, log: CUDA C++ Programming Guide, mathematical functions, and half an ulp for the rounded result; "
        "over all of float32 at most 1.94 and 0.87 ulp on an H200; order of sums: SoftMax.cu, PersistentSoftmax.cuh, "
        "and as deep on an H200 up to 2048 numbers (docs/generated/gpu.md); stored results: SoftMax.cu, Loss.cu, and "
        "torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction, which is on.",
    )


def torch_cuda_tf32(problem: Problem) -> Arithmetic:
    """torch on CUDA with torch.backends.cuda.matmul.allow_tf32: float32 factors of products keep 11 bits."""
    arithmetic = torch_cuda(problem)
    if problem.dtype != "float32":
        return arithmetic
    return replace(arithmetic, name="torch cuda, tf32", factors=TF32)


def _layout(problem: Problem) -> str:
    """Whether the classes are the "last" dimension, which torch has kernels of its own for, or an "other" one."""
    first = next(iter(problem.inputs.values()))
    if not is_by_rows(problem):
        return "last"
    return "last" if class_axes(problem)[-1:] in ((), (first.ndim - 1,)) else "other"
