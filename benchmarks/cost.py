"""What judging costs, beside torch.autograd.gradcheck and beside the kernel that is judged; one thread."""

from __future__ import annotations

import statistics
import timeit
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from softproof import Output, Problem, Result, judge, judge_result, load

from . import text

SLOW_GOAL, FAST_GOAL = 100.0, 1.0  # gradcheck takes at least this many times as long
KERNEL_GOAL = 10.0  # judging takes at most this many times as long as the kernel
MEMORY_GOAL = 1.25  # and this many times the bytes of inputs and outputs


def seconds(run: Callable[[], Any], rounds: int) -> float:
    """The median time of a few runs, after one that warms up where there are several."""
    if rounds > 1:
        run()
    return statistics.median(timeit.repeat(run, number=1, repeat=rounds))


def gradient_of_a_loss(rows: int = 4, classes: int = 2048, rounds: int = 9) -> dict[str, float]:
    """Seconds to judge value and gradient of one float64 cross-entropy, and to check the gradient by gradcheck."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, classes)), rng.integers(0, classes, rows)
    problem = Problem("cross_entropy", "float64", {"logits": x, "target": y}, {}, 1.0)
    candidate = load("torch.nn.functional:cross_entropy")
    assert judge(candidate, problem).ok
    leaf, labels = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y)

    def check(fast: bool) -> bool:
        return torch.autograd.gradcheck(lambda logits: F.cross_entropy(logits, labels), leaf, fast_mode=fast)

    return {
        "judge": seconds(lambda: judge(candidate, problem), rounds),
        "gradcheck, fast": seconds(lambda: check(True), rounds),
        "gradcheck, slow": seconds(lambda: check(False), 1),
    }


class Large(NamedTuple):
    """Judging the answer to one large problem."""

    kernel: float  # seconds
    judge: float
    memory: float  # peak while judging, inputs and outputs included, in units of their bytes


def large_loss(rows: int = 4096, classes: int = 32000, rounds: int = 3) -> Large:
    """Value and gradient of a float32 cross-entropy: the kernel forwards and backwards, and the judge."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, classes), dtype=np.float32)
    problem = Problem("cross_entropy", "float32", {"logits": x, "target": rng.integers(0, classes, rows)}, {}, 1.0)
    leaf = torch.from_numpy(x).requires_grad_()
    labels = torch.from_numpy(problem.inputs["target"].copy())

    def kernel() -> tuple[torch.Tensor, torch.Tensor]:
        loss = F.cross_entropy(leaf, labels)
        return loss.detach(), torch.autograd.grad(loss, leaf)[0]

    value, gradient = (each.numpy() for each in kernel())
    result = Result({"value": Output(value, "float32"), "grad_logits": Output(gradient, "float32")})
    held = sum(each.nbytes for each in (*problem.inputs.values(), value, gradient))

    def ask() -> None:
        assert judge_result(problem, result).ok

    return Large(seconds(kernel, rounds), seconds(ask, 1), (held + peak(ask)) / held)


def peak(run: Callable[[], Any]) -> int:
    """Bytes allocated at the same time while `run` lasts, at most."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def cost(small: tuple[int, int] = (4, 2048), large: tuple[int, int] = (4096, 32000)) -> tuple[str, list[str]]:
    """The fourth table, and what the project wants of it."""
    text.progress(1, 2, "cost: gradcheck")
    times = gradient_of_a_loss(*small)
    text.progress(2, 2, "cost: a large loss")
    found = large_loss(*large)
    first, second = f"{small[0]} x {small[1]} float64", f"{large[0]} x {large[1]} float32"
    slow, fast = (times[f"gradcheck, {name}"] / times["judge"] for name in ("slow", "fast"))
    lines = [("problem", "what", "measured")]
    lines += [(first, name, f"{time * 1e3:,.1f} ms") for name, time in times.items()]
    lines += [(first, f"gradcheck, {name} / judge", f"{ratio:.2f}") for name, ratio in (("fast", fast), ("slow", slow))]
    lines += [
        (second, "kernel, forwards and backwards", f"{found.kernel:.2f} s"),
        (second, "judge", f"{found.judge:.2f} s"),
        (second, "judge / kernel", f"{found.judge / found.kernel:.2f}"),
        (second, "peak memory / bytes of inputs and outputs", f"{found.memory:.3f}"),
    ]
    wanted = [
        (f"judging is {SLOW_GOAL:.0f} times as fast as gradcheck", slow, slow >= SLOW_GOAL),
        ("judging is no slower than gradcheck in fast mode", fast, fast >= FAST_GOAL),
        (f"judging takes at most {KERNEL_GOAL:.0f} times as long as the kernel", found.judge / found.kernel,
         found.judge / found.kernel <= KERNEL_GOAL),
        (f"at most {MEMORY_GOAL} times the bytes of inputs and outputs", found.memory, found.memory <= MEMORY_GOAL),
    ]  # fmt: skip
    goals = [text.goal(name, [] if met else [f"{ratio:.2f}"], 1) for name, ratio, met in wanted]
    return text.table("Cost of judging a cross-entropy and its gradient", lines, left=2), goals
