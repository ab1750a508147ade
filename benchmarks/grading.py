"""What grading costs: seconds of the judge's processor for 500 questions of a bank, and candidates a minute.

python -m benchmarks.grading [--jobs 2] [--candidates 10]

The questions are those of the default mix in float32 and float64. "compared" is the comparison of answers that are
there; "asked" adds what the judge does to ask another process, and not what that process does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from softproof import Bank, bank, grade, load
from softproof.grading.compiling import build
from softproof.grading.many import graded
from softproof.verdicts.compiled import judge_compiled
from softproof.verdicts.together import Answered, ratios_if_right

QUESTIONS, GOAL = 500, 0.25
SEED, ROUNDS = 7, 3


def compared(built: Bank) -> float:
    """Seconds for as many right answers, the best of a few rounds."""
    candidate = load("manual", adapter="numpy")
    answered = [Answered(each.problem, candidate.answer(each.problem), each.outputs, each.model)
                for each in built.questions]  # fmt: skip
    seconds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for each, ratios in zip(answered, ratios_if_right(answered), strict=True):
            if ratios is None:
                judge_compiled(each.problem, each.result, each.outputs, each.arithmetic)
        seconds.append(time.process_time() - begun)
    return min(seconds) * QUESTIONS / len(answered)


def asked(built: Bank) -> float:
    """The same through the process of a candidate."""
    found = [grade("manual", built, adapter="numpy", sandbox="off") for _ in range(ROUNDS)]
    assert all(each.ok for each in found), found[0].failure
    return min(each.judge_seconds for each in found) * QUESTIONS / len(built.questions)


def a_minute(built: Bank, jobs: int, count: int) -> float:
    """Candidates that are graded in a minute, each in a sandbox."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bank.npz")
        path.write_bytes(built.to_bytes())
        bank(path)
        targets = [{"target": "manual", "adapter": "numpy", "sandbox": "on", "budget": 600.0}] * count
        begun = time.monotonic()
        lines = [*graded(targets, path, built.models[0], built.digest, jobs)]
        seconds = time.monotonic() - begun
    assert len(lines) == count
    assert all(each["verdict"] == "agrees" for each in lines), lines[0]
    return 60 * count / seconds


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--candidates", type=int, default=10)
    options = parser.parse_args()
    built = build(arithmetic=["any-order"], seed=SEED)
    print(f"{len(built.questions)} questions, {built.elements} numbers")
    print(f"compared: {compared(built):.3f} s of CPU for {QUESTIONS} questions")
    seconds = asked(built)
    reached = "reached" if seconds <= GOAL else "missed"
    print(f"asked: {seconds:.3f} s of CPU of the judge for {QUESTIONS} questions; goal {GOAL} s: {reached}")
    rate = a_minute(built, options.jobs, options.candidates)
    print(f"{rate:.1f} candidates a minute, {len(built.questions)} questions each, {options.jobs} at a time")


if __name__ == "__main__":
    main()
