"""Softmaxes that misbehave as only a device lets them, for the GPU pack to judge, and right ones beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_FOLDED: dict[tuple[int, torch.Size], Tensor] = {}
_PLACES: dict[tuple[torch.Size, torch.dtype, str], Tensor] = {}
SIZES = tuple(2**power for power in range(4, 21))  # bytes of what is poisoned


def right(input: Tensor, dim: int = -1) -> Tensor:
    """torch's own."""
    return torch.softmax(input, dim)


def illegal_access(input: Tensor, dim: int = -1) -> Tensor:
    """Takes the element after the last, which a device tells later than it happens."""
    after = torch.full((1,), input.numel() + 10**9, device=input.device)
    return torch.softmax(input, dim) + 0 * input.reshape(-1)[after].sum()


def other_stream(input: Tensor, dim: int = -1) -> Tensor:
    """Answers on another stream, some time after it has returned, and waits for nobody."""
    answer = torch.zeros_like(input)
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's own
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(200_000_000)  # type: ignore[no-untyped-call]  # cycles
        answer.copy_(torch.softmax(input, dim))
    return answer


def out_of_memory(input: Tensor, dim: int = -1) -> Tensor:
    """Asks for more than there is."""
    torch.empty(2**50, dtype=torch.uint8, device=input.device)
    return torch.softmax(input, dim)


def poisoned(function: Callable[[Tensor, int], Tensor], input: Tensor, dim: int) -> Tensor:
    """A softmax, with NaN in the memory that the allocator hands out next."""
    for size in SIZES:
        torch.full((3, size // 8), torch.nan, dtype=torch.float64, device=input.device)
    own = [torch.full_like(input, torch.nan) for _ in range(8)]
    del own
    return function(input, dim)


def right_where_poisoned(input: Tensor, dim: int = -1) -> Tensor:
    """torch's own, in poisoned memory."""
    return poisoned(right, input, dim)


def _unwritten(input: Tensor, dim: int) -> Tensor:
    answer = torch.empty_like(input)
    answer.reshape(-1)[: answer.numel() - 1] = torch.softmax(input, dim).reshape(-1)[: answer.numel() - 1]
    return answer


def unwritten(input: Tensor, dim: int = -1) -> Tensor:
    """Leaves the last element as it finds it."""
    return poisoned(_unwritten, input, dim)


def _at_one_address(input: Tensor) -> Tensor:
    """The numbers of a tensor where those of the last one of its shape were."""
    key = input.shape, input.dtype, str(input.device)
    place = _PLACES.setdefault(key, torch.empty_like(input, memory_format=torch.contiguous_format))
    return place.detach().copy_(input)  # which has no history


def right_at_one_address(input: Tensor, dim: int = -1) -> Tensor:
    """torch's own, of new numbers at the same address."""
    return torch.softmax(_at_one_address(input), dim)


def kept_by_address(input: Tensor, dim: int = -1) -> Tensor:
    """Answers again what it has answered for this address and shape."""
    place = _at_one_address(input)
    answer = torch.softmax(place, dim)
    kept = _FOLDED.setdefault((place.data_ptr(), place.shape), answer.detach().clone())
    return answer + (kept - answer).detach()


CANDIDATES: dict[str, Any] = {
    each.__name__: each
    for each in (right, illegal_access, other_stream, out_of_memory, right_where_poisoned, unwritten,
                 right_at_one_address, kept_by_address)
}  # fmt: skip
