"""Seconds to the first answer of a candidate in a process of its own: python -m benchmarks.starting.

A process is forked from one that has imported what candidates need, or is started by itself and imports that, as where
it is given further variables. The two take turns; a number is the median over the rounds, and the last column their
ratio. The process that forks is started before the first round.
"""

from __future__ import annotations

import argparse
import statistics
import time

from softproof import Problem
from softproof.candidates.isolated import isolated

from . import text

PROBLEM = Problem("softmax", "float32", {"logits": [[0.0, 1.0]]}, {"dim": 1}, grad_output=[[1.0, 2.0]])
GOAL = 0.2  # seconds to the first answer
ROUNDS = 9


def seconds(target: str, variables: tuple[str, ...] = ()) -> float:
    """From nothing to an answer."""
    begun = time.perf_counter()
    candidate = isolated(target, "softmax", sandbox_env=variables)
    result = candidate.answer(PROBLEM)
    taken = time.perf_counter() - begun
    candidate.close()
    if result.lost or result.raised:
        raise RuntimeError(f"{target} gave no answer: {result.lost or result.raised}")
    return taken


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starting", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(default: %(default)s)")
    rounds = parser.parse_args().rounds
    lines, missed = [("target", "forked", "by itself", "ratio")], []
    for target in ("manual:softmax", "reference:softmax"):
        seconds(target)
        pairs = [(seconds(target), seconds(target, ("PATH",))) for _ in range(rounds)]
        forked, alone = (statistics.median(column) for column in zip(*pairs, strict=True))
        lines.append((target, f"{forked:.2f}", f"{alone:.2f}", f"{alone / forked:.1f}"))
        missed += [f"{target}: {forked:.2f}"] if forked > GOAL else []
    print(text.table("Seconds to the first answer", lines, left=1), end="\n\n")
    print(text.goal(f"the first answer of a forked process after at most {GOAL} s", missed, len(lines) - 1))


if __name__ == "__main__":
    main()
