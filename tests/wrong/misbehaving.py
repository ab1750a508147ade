"""Implementations that answer a question rightly and misbehave otherwise, and some that break a relation of values.

Each is a function that makes a fresh one, since most of them have a memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from manual.arrays import Array

Function = Callable[..., Any]


def _softmax(logits: Array, dim: int = -1) -> Array:
    e = np.exp(logits - logits.max(dim, keepdims=True))
    return np.asarray(e / e.sum(dim, keepdims=True))


# ---- memory ---------------------------------------------------------------------------------------------------------


def wrong_the_second_time() -> Function:
    """Answers the same numbers differently when they come again."""
    seen: list[bytes] = []

    def softmax(logits: Array, dim: int = -1) -> Array:
        again = seen[-1:] == [logits.tobytes()]
        seen.append(logits.tobytes())
        return _softmax(logits, dim) * (2 if again else 1)

    return softmax


def cached_by_shape() -> Function:
    """Looks an answer up by the shape of the question."""
    cache: dict[tuple[int, ...], Array] = {}

    def softmax(logits: Array, dim: int = -1) -> Array:
        return cache.setdefault(logits.shape, _softmax(logits, dim)).astype(logits.dtype)

    return softmax


def kernel_of_the_first_dtype() -> Function:
    """Compiles for the first dtype of each shape, and computes in it ever after."""
    kernels: dict[tuple[int, ...], torch.dtype] = {}

    def softmax(input: Tensor, dim: int) -> Tensor:
        compiled = kernels.setdefault(tuple(input.shape), input.dtype)
        return F.softmax(input.to(compiled), dim).to(input.dtype)

    return softmax


def scratch_of_the_largest_batch() -> Function:
    """After a larger batch, the first row is that of the batch before."""
    largest: list[Array] = []

    def softmax(logits: Array) -> Array:
        p = _softmax(logits)
        if largest and p.ndim > 1 and largest[0].shape[1:] == p.shape[1:] and len(largest[0]) > len(p) > 0:
            p[0] = 0.5 * largest[0][0]
        largest[:] = [p.copy(), *largest][:1]
        return p

    return softmax


def tuned_after_some_calls() -> Function:
    """From the tenth call of a shape on another kernel is taken, which is wrong."""
    calls: dict[tuple[int, ...], int] = {}

    def softmax(logits: Array, dim: int = -1) -> Array:
        calls[logits.shape] = calls.get(logits.shape, 0) + 1
        return _softmax(logits, dim) * (1 if calls[logits.shape] < 10 else 2)

    return softmax


def one_workspace_for_all_threads() -> Function:
    """Keeps an intermediate result beside the function, for whoever calls."""
    workspace: dict[str, Array] = {}

    def softmax(logits: Array, dim: int = -1) -> Array:
        workspace["e"] = np.exp(logits - logits.max(dim, keepdims=True))
        workspace["sum"] = workspace["e"].sum(dim, keepdims=True)
        return np.asarray(workspace["e"] / workspace["sum"])

    return softmax


# ---- memory that others hold too ------------------------------------------------------------------------------------


def logsumexp_of_one_class_is_its_input() -> Function:
    """Returns a view of the logits where there is one class."""

    def logsumexp(logits: Array, dim: int = -1) -> Array:
        top = logits.max(dim, keepdims=True)
        found = top + np.log(np.exp(logits - top).sum(dim, keepdims=True))
        return (logits if logits.shape[dim] == 1 else np.asarray(found)).squeeze(dim)

    return logsumexp


def one_buffer_for_all_results() -> Function:
    """Writes every answer of one shape into the same array."""
    buffers: dict[Any, Array] = {}

    def softmax(logits: Array, dim: int = -1) -> Array:
        buffer = buffers.setdefault((logits.shape, logits.dtype), np.empty_like(logits))
        buffer[...] = _softmax(logits, dim)
        return buffer

    return softmax


def detached_view() -> Function:
    """Torch: the sum of one row's logits, as the row itself."""

    def logsumexp(input: Tensor, dim: int) -> Tensor:
        return input.squeeze(dim) if input.shape[dim] == 1 else torch.logsumexp(input, dim)

    return logsumexp


# ---- gradients ------------------------------------------------------------------------------------------------------


def _with_backward(backward: Callable[[Any, Tensor], Any], forward: Callable[[Any], None] | None = None) -> Function:
    """A log-softmax whose vector-Jacobian product is `backward(ctx, g)`."""

    class Written(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
            ctx.dim, ctx.x, ctx.p = dim, x, F.softmax(x, dim)
            if forward is not None:
                forward(ctx)
            return F.log_softmax(x, dim)

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Any:
            return backward(ctx, grads[0]), None

    def log_softmax(input: Tensor, dim: int) -> Any:
        return Written.apply(input, dim)  # type: ignore[no-untyped-call]  # torch's own

    return log_softmax


def _product(ctx: Any, g: Tensor) -> Tensor:
    return torch.as_tensor(g - ctx.p * g.sum(ctx.dim, keepdim=True))


def gradient_of_the_first_pass() -> Function:
    """Computes the gradient once for each graph, whatever comes in the second time."""

    def backward(ctx: Any, g: Tensor) -> Tensor:
        ctx.kept = getattr(ctx, "kept", None) if hasattr(ctx, "kept") else _product(ctx, g)
        return torch.as_tensor(ctx.kept)

    return _with_backward(backward)


def gradient_that_gathers() -> Function:
    """Adds gradients up itself, from one forward pass to the next backward passes."""
    total: list[Any] = [0]

    def backward(ctx: Any, g: Tensor) -> Tensor:
        total[0] = total[0] + _product(ctx, g)
        return torch.as_tensor(total[0])

    return _with_backward(backward, lambda _ctx: total.__setitem__(0, 0))


def gradient_that_is_stored_too() -> Function:
    """Adds the gradient to `.grad` itself and returns it as well, as fused accumulation does."""

    def backward(ctx: Any, g: Tensor) -> Tensor:
        found = _product(ctx, g)
        ctx.x.grad = found.clone() if ctx.x.grad is None else ctx.x.grad + found
        return found

    return _with_backward(backward)


def gradient_of_packed_memory() -> Function:
    """Reads an expanded upstream gradient as if its elements lay one after another."""

    def backward(ctx: Any, g: Tensor) -> Tensor:
        if g.numel() > 1 and not any(g.stride()):
            g = torch.cat([g.reshape(-1)[:1], torch.zeros_like(g.reshape(-1)[1:])]).reshape(g.shape)
        return _product(ctx, g)

    return _with_backward(backward)


def gradient_of_a_sum_forgotten() -> Function:
    """Takes an upstream gradient of ones for none."""

    def backward(ctx: Any, g: Tensor) -> Tensor:
        return _product(ctx, torch.zeros_like(g) if g.numel() > 1 and bool((g == 1).all()) else g)

    return _with_backward(backward)


def backward_that_writes() -> Function:
    """Forms the gradient in the memory of the logits."""

    def backward(ctx: Any, g: Tensor) -> Tensor:
        found = _product(ctx, g)
        ctx.x.data.copy_(found)
        return found

    return _with_backward(backward)


def _watched(late: Callable[[Any, Tensor], Tensor]) -> Function:
    """A log-softmax whose gradient is `late(ctx, g)` where nobody holds its value, of which `ctx.numbers` are left."""
    living: dict[Any, weakref.ref[Tensor]] = {}

    def backward(ctx: Any, g: Tensor) -> Tensor:
        return _product(ctx, g) if living[ctx.key]() is not None else late(ctx, g)

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, key: Any, x: Tensor, dim: int) -> Tensor:
            value = F.log_softmax(x, dim)
            ctx.key, ctx.dim, ctx.p, ctx.numbers = key, dim, F.softmax(x, dim), value.detach()
            return value

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Any:
            return None, backward(ctx, grads[0]), None

    def log_softmax(input: Tensor, dim: int) -> Any:
        key = object()
        value = Watched.apply(key, input, dim)  # type: ignore[no-untyped-call]  # torch's own
        living[key] = weakref.ref(value)
        return value

    return log_softmax


def gradient_once_nobody_holds_the_value() -> Function:
    """Forms the gradient where the value was, and reads what it has written."""

    def late(ctx: Any, g: Tensor) -> Tensor:
        total = ctx.numbers.copy_(g).sum(ctx.dim, keepdim=True)
        return torch.as_tensor(g - ctx.numbers.exp() * total)

    return _watched(late)


def value_given_back_too_early() -> Function:
    """Takes numbers that are held by a detached tensor alone for free memory."""

    def late(ctx: Any, g: Tensor) -> Tensor:
        ctx.numbers.copy_(found := _product(ctx, g))
        return found

    return _watched(late)


def saved_for_the_last_call() -> Function:
    """Keeps what the backward pass needs beside the function, and not beside the call."""
    last: list[Any] = []

    def backward(ctx: Any, g: Tensor) -> Tensor:
        return _product(last[-1] if last[-1].p.shape == g.shape else ctx, g)

    return _with_backward(backward, last.append)


def logits_by_address() -> Function:
    """Looks up by the address of the logits what it has computed of them."""
    known: dict[Any, Tensor] = {}

    def softmax(input: Tensor, dim: int) -> Tensor:
        key = input.data_ptr(), input.shape, input.stride(), dim
        if key not in known or known[key].dtype != input.dtype:
            known[key] = torch.exp(input.detach() - input.detach().amax(dim, keepdim=True))
        return known[key] / known[key].sum(dim, keepdim=True) + 0 * input

    return softmax


def by_address_in_inference() -> Function:
    """The same, where no gradient is wanted."""
    by_address = logits_by_address()

    def softmax(input: Tensor, dim: int) -> Tensor:
        return torch.softmax(input, dim) if input.requires_grad else by_address(input, dim)

    return softmax


def linear_for_training_alone() -> Function:
    """Raises where some input needs no gradient."""

    class Linear(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
            ctx.save_for_backward(x, w)
            return F.linear(x, w)

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Any:
            x, w = ctx.saved_tensors
            if not all(ctx.needs_input_grad):
                raise RuntimeError("every input needs a gradient")
            g = grads[0].reshape(-1, len(w))
            return grads[0] @ w, g.T @ x.reshape(-1, w.shape[1])

    def linear(input: Tensor, weight: Tensor) -> Any:
        return Linear.apply(input, weight)  # type: ignore[no-untyped-call]  # torch's own

    return linear


def never_without_gradients() -> Function:
    """Takes it for granted that its input requires a gradient."""

    def softmax(input: Tensor, dim: int) -> Tensor:
        if not input.requires_grad:
            raise RuntimeError("element 0 of tensors does not require grad")
        return F.softmax(input, dim)

    return softmax


def never_under_no_grad() -> Function:
    """Asks autograd in its forward pass."""

    def softmax(input: Tensor, dim: int) -> Tensor:
        if input.requires_grad and not torch.is_grad_enabled() and not torch.is_inference_mode_enabled():
            raise RuntimeError("element 0 of tensors does not require grad")
        return F.softmax(input, dim)

    return softmax


class _KeptOnContext(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, dim: int) -> Tensor:
        ctx.value, ctx.dim = torch.log_softmax(z, dim), dim
        return cast(Tensor, ctx.value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] - ctx.value.exp() * grads[0].sum(ctx.dim, keepdim=True), None


def value_kept_on_ctx() -> Function:
    """Keeps its value where torch does not see that somebody writes to it."""

    def log_softmax(input: Tensor, dim: int) -> Tensor:
        return _KeptOnContext.apply(input, dim)  # type: ignore[no-any-return, no-untyped-call]  # torch's own

    return log_softmax


def in_place_under_no_grad() -> Function:
    """Saves memory in the caller's tensor where no gradient is asked."""

    def softmax(input: Tensor, dim: int) -> Tensor:
        p = F.softmax(input, dim)
        return p if torch.is_grad_enabled() else input.copy_(p).clone()

    return softmax


def never_in_inference_mode() -> Function:
    """Looks at the version of its result."""

    def softmax(input: Tensor, dim: int) -> Tensor:
        found = F.softmax(input, dim)
        assert found._version >= 0
        return found

    return softmax


# ---- labels and rows ------------------------------------------------------------------------------------------------


def labels_modulo_classes() -> Function:
    """A label that is no class is another class."""

    def cross_entropy(input: Tensor, target: Tensor, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
        if not target.is_floating_point():
            inside = target % input.shape[min(input.ndim - 1, 1)]
            target = torch.where(target == ignore_index, target, inside)
        return F.cross_entropy(input, target, ignore_index=ignore_index, reduction=reduction)

    return cross_entropy


def negative_labels_from_the_end() -> Function:
    """NumPy: label -1 is the last class."""

    def cross_entropy(logits: Array, target: Array) -> Array:
        x = logits.reshape(-1, logits.shape[-1]) if logits.ndim == 1 else np.moveaxis(logits, 1, -1)
        x = x.reshape(-1, x.shape[-1])
        d = x - x.max(-1, keepdims=True)
        rows = np.arange(len(x))
        losses = np.log(np.exp(d).sum(-1)) - d[rows, target.reshape(-1)]
        with np.errstate(all="ignore"):
            return np.asarray(losses.sum() / len(x) if len(x) else np.nan).astype(logits.dtype)[()]

    return cross_entropy


def places_in_the_type_of_the_labels() -> Function:
    """NumPy: where a row's label is among all numbers is computed in the type that the labels have."""

    def cross_entropy(logits: Array, target: Array) -> Array:
        x = np.moveaxis(np.atleast_2d(logits), -1 if logits.ndim == 1 else 1, -1)
        x = x.reshape(-1, x.shape[-1])
        d, labels = x - x.max(-1, keepdims=True), target.reshape(-1)
        if labels.size and not (labels.min() >= 0 and labels.max() < x.shape[-1]):
            raise IndexError("target is out of range")
        places = np.arange(len(x)).astype(labels.dtype) * labels.dtype.type(x.shape[-1]) + labels
        losses = np.log(np.exp(d).sum(-1)) - np.ascontiguousarray(d).reshape(-1)[places]
        with np.errstate(all="ignore"):
            return np.asarray(losses.sum() / len(x) if len(x) else np.nan).astype(logits.dtype)[()]

    return cross_entropy


def labels_read_as_they_lie() -> Function:
    """torch: 64 bits are read for a label, whatever it has."""

    def cross_entropy(input: Tensor, target: Tensor) -> Tensor:
        if target.dtype != torch.int32:
            return F.cross_entropy(input, target)
        bits = target.reshape(-1).repeat(2)[: 2 * target.numel()].contiguous().view(torch.int64)
        return F.cross_entropy(input, bits.remainder(input.shape[min(1, input.ndim - 1)]).reshape(target.shape))

    return cross_entropy


def blocks_of_twelve_rows() -> Function:
    """The thirteenth row and those after it take the maximum of the twelfth."""

    def softmax(input: Tensor) -> Tensor:
        p = F.softmax(input, -1)
        return torch.cat([p[:12], p[12:] * 1.5]) if input.ndim == 2 and len(input) > 12 else p

    return softmax


def batch_of_one_is_no_batch() -> Function:
    """Over all axes but the first, unless that has one element."""

    def softmax(input: Tensor) -> Tensor:
        return F.softmax(input, 0) if input.ndim == 2 and len(input) == 1 else F.softmax(input, -1)

    return softmax


def last_row_first() -> Function:
    """Treats one position of the batch in another way."""

    def softmax(input: Tensor) -> Tensor:
        p = F.softmax(input, -1)
        return torch.cat([p[:-1], p[-1:] * (1 + (p[-1:] > p[:1]) * 1e-3)]) if input.ndim == 2 and len(p) > 1 else p

    return softmax


def strides_ignored() -> Function:
    """Computes on memory as it lies, and gives the result the shape of its input."""

    def softmax(input: Tensor) -> Tensor:
        if input.is_contiguous():
            return F.softmax(input, -1)
        return F.softmax(torch.as_strided(input, input.shape, tuple(torch.empty(input.shape).stride())), -1)

    return softmax


def in_any_order() -> Function:
    """Right, and adds in an order that changes from call to call."""
    rng = np.random.default_rng(0)

    def softmax(logits: Array) -> Array:
        e = np.exp(logits - logits.max(-1, keepdims=True))
        order = rng.permutation(e.shape[-1])
        return np.asarray(e / e[..., order].cumsum(-1)[..., -1:])

    return softmax
