"""Time and memory of `manual` beside SciPy and torch on one thread: python -m benchmarks.bench.

A ratio is the time of `manual` divided by the time of the other: below 1, `manual` is faster. The contestants take
turns (A B C A B C …), so that all of them meet whatever else the machine does; a ratio is the median over these rounds.
"fwd+bwd" is the operation and then its gradient: for `manual` softmax(x) and softmax_backward(g, x), which computes the
exponentials again, and for torch autograd, which keeps them. SciPy has no gradients.

Memory is the peak of what a forward pass allocates, its result included, as a multiple of the bytes of the result; the
loss is a single number, so there it is a multiple of the bytes of the logits. torch is not in that table, because
tracemalloc does not see what it allocates.

The goals at the end are reported, not enforced: another machine, or a busy one, may miss them.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import timeit
import tracemalloc
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import scipy  # type: ignore[import-untyped]  # SciPy ships no types
import torch
import torch.nn.functional as F
from scipy import special

import manual

from . import text

OPERATIONS = ("softmax", "log_softmax", "cross_entropy")
DTYPES = ("float32", "float64")
LARGE = ((4096, 1000), (64, 128256))  # a training batch of images, and tokens of a large vocabulary
SHAPES = ((1, 10), (128, 10), (64, 1000), *LARGE)

SCIPY_GOAL = 1.0  # at most this many times SciPy's time, everywhere
TORCH_GOAL = 2.5  # at most this many times torch's time, at the large shapes
MEMORY_GOAL = 1.1  # at most this many times the result, at the large shapes

ROUNDS, QUICK_ROUNDS = 15, 3
SAMPLE = 2e-3  # seconds that one sample takes at least, far above the resolution of the clock

Run = Callable[[], Any]

SCIPY: dict[str, Callable[..., Any]] = {
    "softmax": lambda x, _: special.softmax(x, axis=-1),
    "log_softmax": lambda x, _: special.log_softmax(x, axis=-1),
    "cross_entropy": lambda x, y: -special.log_softmax(x, axis=-1)[np.arange(len(y)), y].mean(),
}
TORCH: dict[str, Callable[..., torch.Tensor]] = {
    "softmax": lambda x, _: F.softmax(x, -1),
    "log_softmax": lambda x, _: F.log_softmax(x, -1),
    "cross_entropy": F.cross_entropy,
}


class Case(NamedTuple):
    """What is measured in one line of a table."""

    operation: str
    backward: bool
    dtype: str
    shape: tuple[int, int]

    @property
    def cells(self) -> tuple[str, ...]:
        """As text, for a table."""
        return self.operation, "fwd+bwd" if self.backward else "fwd", self.dtype, f"{self.shape[0]} x {self.shape[1]}"


def contestants(case: Case) -> dict[str, Run]:
    """The same computation by `manual`, SciPy (without gradients) and torch, on the same random numbers."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=case.shape).astype(case.dtype)  # (N, C)
    y = rng.integers(0, case.shape[1], case.shape[0])  # (N,)
    loss = case.operation == "cross_entropy"
    g = np.ones((), case.dtype) if loss else rng.normal(size=case.shape).astype(case.dtype)

    forward, backward = getattr(manual, case.operation), getattr(manual, f"{case.operation}_backward")
    arguments = (x, y) if loss else (x,)
    scipy_forward, torch_forward = SCIPY[case.operation], TORCH[case.operation]
    tx, ty, tg = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(g)
    if not case.backward:
        return {
            "manual": lambda: forward(*arguments),
            "SciPy": lambda: scipy_forward(x, y),
            "torch": lambda: torch_forward(tx, ty),
        }
    leaf = tx.clone().requires_grad_()
    return {
        "manual": lambda: (forward(*arguments), backward(g, *arguments)),
        "torch": lambda: torch.autograd.grad(torch_forward(leaf, ty), leaf, tg),
    }


def repetitions(run: Run) -> int:
    """How many runs in a row fill a sample; the first ones warm up."""
    timer, count = timeit.Timer(run), 1
    while min(timer.repeat(2, count)) < SAMPLE:  # the faster of two, lest one interruption end the search too early
        count *= 2
    return count


def ratios(runs: dict[str, Run], rounds: int) -> dict[str, float]:
    """Time of the first contestant divided by that of each other: the median over rounds in which they take turns."""
    counts = {name: repetitions(run) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(timeit.Timer(run).timeit(counts[name]) / counts[name])
    first, *others = times
    return {name: statistics.median(map(lambda a, b: a / b, times[first], times[name])) for name in others}


def peak(run: Run) -> int:
    """Bytes allocated at the same time while `run` lasts, at most."""
    run()  # what is allocated once, at the first call, does not count
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def memory(case: Case) -> dict[str, float]:
    """Peak memory of `manual` and SciPy, as a multiple of an array of the case's shape."""
    runs = contestants(case)
    size = np.dtype(case.dtype).itemsize * case.shape[0] * case.shape[1]
    return {name: peak(runs[name]) / size for name in ("manual", "SciPy")}


def table(title: str, columns: tuple[str, ...], rows: dict[Case, dict[str, float]]) -> str:
    """Cases and their numbers, aligned under a header."""
    lines = [("operation", "pass", "dtype", "shape", *columns)]
    for case, found in rows.items():
        lines.append((*case.cells, *(f"{found[name]:.2f}" if name in found else "-" for name in columns)))
    return text.table(title, lines, left=len(Case._fields))


def goal(what: str, limit: float, found: dict[Case, float]) -> str:
    """One goal, whether it is met, and where it is not."""
    missed = [f"{' '.join(case.cells)}: {value:.2f}" for case, value in found.items() if value > limit]
    return text.goal(what, missed, len(found))


def main() -> None:
    """Measure, print the tables, and say which goals are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each comparison (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds, for a rough look")
    options = parser.parse_args()
    rounds = QUICK_ROUNDS if options.quick else options.rounds
    if rounds < 1:
        parser.error(f"--rounds is {rounds}; expected at least 1")
    torch.set_num_threads(1)

    packages = f"NumPy {np.__version__}, SciPy {scipy.__version__}, torch {torch.__version__}"
    threads = f"{torch.get_num_threads()} thread by torch, 1 by NumPy and SciPy"
    print(f"Python {platform.python_version()}, {packages}")
    print(f"{platform.machine()}, {os.cpu_count()} CPUs; used: {threads}")
    print(f"{rounds} rounds; a ratio is the time of manual / the time of the other, below 1 is faster\n", flush=True)

    cases = [Case(*chosen) for chosen in product(OPERATIONS, (False, True), DTYPES, SHAPES)]
    times: dict[Case, dict[str, float]] = {}
    for done, case in enumerate(cases, 1):
        text.progress(done, len(cases), " ".join(case.cells))
        times[case] = ratios(contestants(case), rounds)
    print(table("Time of manual divided by that of", ("SciPy", "torch"), times), end="\n\n")

    peaks = {case: memory(case) for case in cases if case.shape in LARGE and not case.backward}
    print(
        table("Peak memory / bytes of the result (cross_entropy: of the logits)", ("manual", "SciPy"), peaks),
        end="\n\n",
    )

    by_scipy = {case: found["SciPy"] for case, found in times.items() if "SciPy" in found}
    by_torch = {case: found["torch"] for case, found in times.items() if case.shape in LARGE}
    arrays = {case: found["manual"] for case, found in peaks.items() if case.operation != "cross_entropy"}
    print("Goals, in this run\n")
    print(goal(f"never slower than SciPy (ratio at most {SCIPY_GOAL})", SCIPY_GOAL, by_scipy))
    print(goal(f"at most {TORCH_GOAL} times torch at the large shapes", TORCH_GOAL, by_torch))
    print(goal(f"softmax and log_softmax take at most {MEMORY_GOAL} times their result", MEMORY_GOAL, arrays))


if __name__ == "__main__":
    main()
