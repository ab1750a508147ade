"""Problems as torch tensors, answers as torch tensors; derivatives by autograd for those who bring none."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ...problem.formats import FORMATS
from ...problem.problem import COMMON_LAYOUTS, Array, Output
from .numpy_arrays import is_repeated
from .torch_directions import Call, hvp, jvp, sees  # noqa: F401  # of what an adapter has

DTYPES = tuple(FORMATS)
LAYOUTS = COMMON_LAYOUTS
_detach = torch.Tensor.detach  # an answer may have an attribute of that name, which gives other numbers
like = torch.Tensor.new_tensor  # numbers in the type of a tensor, where that is


def check_device(device: str) -> None:
    """Raise ValueError for a device that this machine does not have."""
    kind = device.split(":")[0]
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda'; this machine has no CUDA device that torch can use")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device is {device!r}; torch cannot use it: {str(error).splitlines()[0]}") from error
    if kind == "meta":
        raise ValueError(f"device is {device!r}; expected one that holds numbers")
    if kind == "cpu" and torch.device(device).index not in (None, 0):  # which torch takes, and calls cpu
        raise ValueError(f"device is {device!r}; torch has one CPU device, 'cpu'")


def devices() -> tuple[str, ...]:
    """Where something can be tried out."""
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def make(values: Array, dtype: str, layout: str, device: str) -> torch.Tensor:
    """A tensor of `dtype` with these values, laid out in memory as asked; integers stay int64."""
    wanted = getattr(torch, dtype) if values.dtype.kind == "f" else torch.int64
    tensor = torch.from_numpy(values.copy()).to(device=device, dtype=wanted)
    if layout == "transposed":
        axes = tuple(reversed(range(tensor.ndim)))
        return tensor.permute(axes).contiguous().permute(axes)
    if layout == "expanded":
        for axis in range(tensor.ndim):
            tensor = tensor.narrow(axis, 0, 1) if is_repeated(values, axis) else tensor
        return tensor.clone(memory_format=torch.contiguous_format).expand(values.shape)
    if layout == "contiguous" or not tensor.ndim:
        return tensor
    *rest, last = values.shape
    fill = float("nan") if values.dtype.kind == "f" else 0
    if layout == "offset":
        return tensor.new_full((tensor.numel() + 1,), fill)[1:].view(tensor.shape).copy_(tensor)
    if layout == "sliced":
        return tensor.new_full((*rest, last + 3), fill)[..., 1 : last + 1].copy_(tensor)
    if layout == "strided":
        return tensor.new_full((*rest, 2 * last), fill)[..., ::2].copy_(tensor)
    raise ValueError(f"layout is {layout!r}; torch has {', '.join(LAYOUTS)}")


class _Copy(torch.autograd.Function):
    """The same numbers at the same strides in a new storage, and no view of it: autograd lets nobody write to those."""

    @staticmethod
    def forward(_ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        if not may_be_written(tensor):
            return tensor.clone(memory_format=torch.contiguous_format)
        storage = tensor.untyped_storage().clone()  # type: ignore[no-untyped-call]  # torch's own
        return tensor.new_empty(0).set_(storage, tensor.storage_offset(), tensor.shape, tensor.stride())

    @staticmethod
    def backward(_ctx: Any, *grads: torch.Tensor) -> Any:
        return grads[0]


def join(parts: list[torch.Tensor]) -> torch.Tensor:
    """Arrays one after the other."""
    return torch.cat(parts)


def copy(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers at the same strides elsewhere in memory, which may be written to, and carry gradients."""
    return _Copy.apply(tensor)  # type: ignore[no-untyped-call, no-any-return]  # torch's own


def cast(tensor: torch.Tensor, dtype: str) -> torch.Tensor:
    """The same numbers in another type."""
    return tensor.to(getattr(torch, dtype))


def take(answer: Any) -> Output:
    """A copy of what came back, in float32 or float64, without loss."""
    if not isinstance(answer, torch.Tensor):
        raise TypeError(f"the answer is a {type(answer).__name__}; expected a torch.Tensor")
    if type(answer) not in (torch.Tensor, torch.nn.Parameter):
        raise TypeError(f"the answer is a {type(answer).__name__}; expected a torch.Tensor itself")
    if answer.layout is not torch.strided or answer.is_nested or torch.is_complex(answer):
        raise TypeError(f"the answer has {answer.layout} and {answer.dtype}; expected dense floating-point numbers")
    narrow = answer.dtype in (torch.float32, torch.float16, torch.bfloat16)
    wide = torch.float32 if narrow else torch.float64
    values = _detach(answer).resolve_neg().to("cpu", wide, copy=True).numpy()
    return Output(values, str(answer.dtype).removeprefix("torch."), str(answer.device))


def differentiate(
    call: Callable[[Mapping[str, Any]], torch.Tensor],
    inputs: Mapping[str, torch.Tensor],
    wanted: tuple[str, ...],
    grad_output: torch.Tensor,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The value of `call` and, by autograd, its vector-Jacobian product with `grad_output`."""
    leaves = {name: inputs[name].requires_grad_() for name in wanted}
    value = _differentiable(call(inputs), wanted)
    if value.shape != grad_output.shape:  # a wrong shape is reported as such, not as an autograd error
        return value, {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    return value, _gradients(value, leaves, grad_output)


def _differentiable(value: Any, wanted: tuple[str, ...]) -> torch.Tensor:
    """The value, if it is a tensor that has gradients."""
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"the answer is a {type(value).__name__}; expected a torch.Tensor")
    if not value.requires_grad:
        raise RuntimeError(f"the result does not depend on {', '.join(wanted)} as far as autograd can tell")
    return value


Tensors = Mapping[str, torch.Tensor]


def _gradients(
    value: torch.Tensor, leaves: Tensors, grad_output: torch.Tensor | None = None, *, retain_graph: bool = False
) -> dict[str, torch.Tensor]:
    """The vector-Jacobian product of each leaf; RuntimeError where autograd has none of one that is named."""
    some = [*leaves.values()]
    found = torch.autograd.grad(value, some, grad_output, retain_graph=retain_graph, allow_unused=True)
    grads = dict(zip(leaves, found, strict=True))
    if absent := [name for name, each in grads.items() if each is None]:
        others = [name for name in leaves if name not in absent]
        beside = f", and has one of {', '.join(others)}" if others else ""
        raise RuntimeError(f"autograd has no gradient of {', '.join(absent)}{beside}")
    return grads


def share_memory(one: torch.Tensor, two: torch.Tensor) -> bool:
    """Whether two tensors have one storage."""
    pointers = {each.untyped_storage().data_ptr() for each in (one, two)}
    return min(one.numel(), two.numel()) > 0 and len(pointers) == 1


def may_be_written(tensor: torch.Tensor) -> bool:
    """Whether each element has a place of its own in memory."""
    return not any(stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True))


def write(tensor: torch.Tensor, values: Array) -> None:
    """These values in place of those in a tensor."""
    tensor.detach().copy_(torch.from_numpy(values.copy()))


def overwrite(tensor: torch.Tensor) -> None:
    """Other numbers in place of those in a tensor, where it can be written to; labels become 0, which is one."""
    if may_be_written(tensor):
        _detach(tensor).fill_(7 if torch.is_floating_point(tensor) else 0)


def _leaves(inputs: Tensors, wanted: tuple[str, ...]) -> dict[str, torch.Tensor]:
    return {name: inputs[name].requires_grad_() for name in wanted}


def differentiate_twice(
    call: Call, inputs: Tensors, wanted: tuple[str, ...], before: torch.Tensor, grad_output: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """As `differentiate`, after a product with the gradient `before` on the same graph."""
    leaves = _leaves(inputs, wanted)
    value = call(inputs)
    _gradients(value, leaves, before, retain_graph=True)
    return value, _gradients(value, leaves, grad_output)


def _backward(value: torch.Tensor, grad_output: torch.Tensor | None = None) -> None:
    """value.backward(grad_output), without torch's advice about the layout of gradients."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout contract")
        torch.autograd.backward(value, grad_output)


def accumulate(
    call: Call, inputs: Tensors, wanted: tuple[str, ...], grad_output: torch.Tensor
) -> tuple[torch.Tensor, dict[str, Any]]:
    """Two values of the same leaves, each with its backward(), and what the leaves have gathered."""
    leaves = _leaves(inputs, wanted)
    first, second = call(inputs), call(inputs)
    _backward(first, grad_output)
    _backward(second, grad_output)
    return second, {name: leaf.grad for name, leaf in leaves.items()}


def backward_of_sum(
    call: Call, inputs: Tensors, wanted: tuple[str, ...], grad_output: torch.Tensor | None
) -> tuple[torch.Tensor, dict[str, Any]]:
    """backward() of the sum of the value, or of twice the sum of its product with `grad_output`."""
    leaves = _leaves(inputs, wanted)
    value = call(inputs)
    loss = value.sum() if grad_output is None else 2 * (value * grad_output).sum()
    _backward(loss)
    return value, {name: leaf.grad for name, leaf in leaves.items()}


def differentiate_overwritten(
    call: Call, inputs: Tensors, wanted: tuple[str, ...], grad_output: torch.Tensor, written: str
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """As `differentiate`, but other numbers stand in one input, or in the value, when gradients are taken."""
    leaves = _leaves(inputs, wanted)
    value = call(inputs)
    theirs = value if written == "value" else inputs[written]
    kept, before = _detach(value).clone(), _detach(theirs).clone()
    overwrite(theirs)
    try:
        return kept, _gradients(value, leaves, grad_output)
    finally:
        if may_be_written(theirs):
            _detach(theirs).copy_(before)


class _Loss(torch.autograd.Function):
    """A number of which the value's gradient is `grad_output`, and which keeps nothing of the value."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, grad_output: torch.Tensor) -> torch.Tensor:
        ctx.grad_output = grad_output
        return value.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_grads: torch.Tensor) -> Any:
        return ctx.grad_output, None


REUSED = 3  # tensors that are made where the value was


def differentiate_dropped(
    call: Call, inputs: Tensors, wanted: tuple[str, ...], grad_output: torch.Tensor, *, detached: bool
) -> tuple[Any, dict[str, torch.Tensor]]:
    """As `differentiate`, but nobody holds the value when gradients are taken: it was copied, and its memory is used
    again, where it is free; or its numbers are held without their graph (`detached`), and looked at afterwards.
    """
    leaves = _leaves(inputs, wanted)
    value = _differentiable(call(inputs), wanted)
    if value.shape != grad_output.shape:
        return value, {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    kept = _detach(value) if detached else take(value)
    loss: torch.Tensor = _Loss.apply(value, grad_output)  # type: ignore[no-untyped-call]  # torch's own
    shape, dtype, device = value.shape, value.dtype, value.device
    del value
    others = [torch.full(shape, 7, dtype=dtype, device=device) for _ in range(0 if detached else REUSED)]
    grads = _gradients(loss, leaves)
    del others
    return kept, grads


def differentiate_between(
    call: Call, inputs: Tensors, others: Tensors, wanted: tuple[str, ...], grad_output: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """As `differentiate`, with another call between the value and its gradients, whose graph lives as long."""
    leaves, value = _leaves(inputs, wanted), _differentiable(call(inputs), wanted)
    _leaves(others, wanted)
    other = call(others)
    grads = _gradients(value, leaves, grad_output)
    del other
    return value, grads


MODES = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}


def value_in(mode: str, call: Call, inputs: Tensors, wanted: tuple[str, ...]) -> torch.Tensor:
    """The value where autograd is switched off, of leaves that ask for gradients."""
    _leaves(inputs, wanted)
    with MODES[mode]():
        return call(inputs)
