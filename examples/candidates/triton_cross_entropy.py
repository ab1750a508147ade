"""A fused cross-entropy of our own, in Triton: one program for each row, an online sum, and a stored logsumexp."""

from __future__ import annotations

import os
from typing import Any

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

BLOCK = 256  # classes at a time


@triton.jit
def forward_kernel(x, target, loss, lse, classes, ignored, PAD: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """The loss and the logsumexp of a row; places past its end count as PAD."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    top = tl.full((), float("-inf"), tl.float32)
    total = tl.zeros((), tl.float32)
    for start in range(0, classes, BLOCK):
        there = start + columns < classes
        block = tl.load(x + row * classes + start + columns, mask=there, other=PAD).to(tl.float32)
        larger = tl.maximum(top, tl.max(block, 0))
        total = total * tl.exp(top - larger) + tl.sum(tl.exp(block - larger), 0)
        top = larger
    y = top + tl.log(total)
    label = tl.load(target + row)
    of_label = tl.load(x + row * classes + label, mask=label != ignored, other=0.0).to(tl.float32)
    tl.store(lse + row, y)
    tl.store(loss + row, tl.where(label != ignored, y - of_label, 0.0))


@triton.jit
def backward_kernel(x, target, lse, g, grad, classes, ignored, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """g(p - one-hot), and 0 in a row that is ignored."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    y, label = tl.load(lse + row), tl.load(target + row)
    slope = tl.where(label != ignored, tl.load(g + row).to(tl.float32), 0.0)
    for start in range(0, classes, BLOCK):
        there = start + columns < classes
        block = tl.load(x + row * classes + start + columns, mask=there, other=0.0).to(tl.float32)
        found = slope * (tl.exp(block - y) - tl.where(start + columns == label, 1.0, 0.0))
        tl.store(grad + row * classes + start + columns, found, mask=there)


def launch_forward(x: Any, target: Any, ignored: int, pad: float) -> tuple[Any, Any]:
    """Losses and logsumexps, in float32: (N,) each."""
    loss, lse = x.new_empty((2, len(x)), dtype=torch.float32)
    forward_kernel[(len(x),)](x, target, loss, lse, x.shape[1], ignored, PAD=pad, BLOCK=BLOCK)
    return loss, lse


def launch_backward(x: Any, target: Any, lse: Any, g: Any, ignored: int) -> Any:
    """∂L/∂x (N, C)."""
    grad = torch.empty_like(x)
    backward_kernel[(len(x),)](x, target, lse, g, grad, x.shape[1], ignored, BLOCK=BLOCK)
    return grad


class Loss(torch.autograd.Function):
    """The loss of each row."""

    @staticmethod
    def forward(ctx: Any, x: Any, target: Any, ignored: int, pad: float) -> Any:
        """Launch one program a row."""
        x = x.contiguous()
        loss, lse = launch_forward(x, target, ignored, pad)
        ctx.save_for_backward(x, target, lse)
        ctx.ignored = ignored
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *g: Any) -> Any:
        """Launch one program a row."""
        x, target, lse = ctx.saved_tensors
        return launch_backward(x, target, lse, g[0].contiguous(), ctx.ignored), None, None, None


def reduced(x: Any, target: Any, ignore_index: int, reduction: str, pad: float) -> Any:
    """The losses of rows, or their sum, or mean over those that are not ignored, rounded to the dtype of x once."""
    found = Loss.apply(x, target.contiguous(), ignore_index, pad)
    if reduction != "none":
        found = found.sum()
    if reduction == "mean":
        found = found / (target != ignore_index).sum()
    return found.to(x.dtype)


def cross_entropy(input: Any, target: Any, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """Of labels and logits (N, C), C at least 1."""
    return reduced(input, target, ignore_index, reduction, float("-inf"))
