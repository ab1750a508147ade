"""A seed alone determines the problems: not the code that is loaded, nor the order of sets."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softproof import Problem, problems
from softproof.generation.seeded import by_seed_alone, fresh_seed, providers

DRAW = """
import hashlib, sys
import hypothesis
from softproof import problems
__import__(sys.argv[1])
found = hashlib.sha256()

def draw(operation, dtype, small):
    settings = hypothesis.settings(max_examples=100, database=None, deadline=None, phases=[hypothesis.Phase.generate],
                                   suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.seed(1)
    @settings
    @hypothesis.given(problems(operation, dtype, small=small))
    def ask(problem):
        found.update(problem.digest().encode())
        print(problem.digest(), file=sys.stderr)
    ask()

draw("softmax", "float64", True)
draw("cross_entropy", "float32", False)
draw("linear_cross_entropy", "bfloat16", True)
print(found.hexdigest())
"""


def _drawn(folder: Path, module: str) -> tuple[str, int]:
    """The digest of what a fresh process draws with a module loaded, and how many problems there are."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path]), "PYTHONHASHSEED": str(len(module))}
    command = [sys.executable, "-c", DRAW, module]
    run = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout, len(run.stderr.split())


def test_the_literals_of_other_modules_change_no_problem(tmp_path: Path) -> None:
    """300 problems of a seed are the same beside a module full of numbers."""
    rng = random.Random(0)
    numbers = [float(rng.randrange(-1000, 1000)) if i % 2 else rng.randrange(100, 2**32) for i in range(800)]
    (tmp_path / "full.py").write_text("\n".join(f"x = {number}" for number in numbers))
    (tmp_path / "empty.py").write_text("")

    beside, alone = _drawn(tmp_path, "full"), _drawn(tmp_path, "empty")

    assert beside == alone
    assert alone[1] >= 290  # of each a few are the same again


HIDDEN = 123_456_789_012_345
with_literals = pytest.mark.skipif(
    not hasattr(providers, "_get_local_constants"), reason="this Hypothesis has no constants"
)


def _meets(strategy: st.SearchStrategy[int], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether 300 draws of whole numbers meet a literal of a loaded module."""
    literals = providers.Constants(integers={HIDDEN})
    monkeypatch.setattr(providers, "_get_local_constants", lambda: literals)
    monkeypatch.setattr(providers, "CONSTANTS_CACHE", type(providers.CONSTANTS_CACHE)(16))
    met = []

    @hypothesis.seed(0)
    @hypothesis.settings(max_examples=300, database=None, phases=[hypothesis.Phase.generate])
    @given(number=strategy)
    def draw(number: int) -> None:
        met.append(number == HIDDEN)

    draw()
    return any(met)


@with_literals
def test_other_runs_are_left_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """What draws no problem meets the literals, as Hypothesis wants it."""
    assert _meets(st.integers(), monkeypatch)
    assert not _meets(by_seed_alone(st.integers()), monkeypatch)


@with_literals
@pytest.mark.draws
def test_the_constants_of_hypothesis_are_drawn() -> None:
    """One number in forty is a constant that Hypothesis brings, such as the largest of float32."""
    floats = st.floats(0, 1e39, allow_nan=False)
    assert hypothesis.find(by_seed_alone(floats), lambda x: x in providers.GLOBAL_CONSTANTS.floats and x > 1e3)


# ---- digests --------------------------------------------------------------------------------------------------------

INPUTS = {"logits": [[0.0, 1.0]], "target": [1], "weight": [1.0, 2.0]}


def _loss(**changes: object) -> Problem:
    arguments = {"operation": "cross_entropy", "dtype": "float32", "inputs": INPUTS, "options": {"reduction": "sum"},
                 "grad_output": 1.0, "layout": "contiguous", "tangent": None}  # fmt: skip
    return Problem(**(arguments | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": "linear"},
        {"dtype": "float64"},
        {"inputs": INPUTS | {"logits": [[-0.0, 1.0]]}},
        {"inputs": INPUTS | {"logits": [[0.0, float(np.nextafter(np.float32(1), np.float32(2)))]]}},
        {"inputs": INPUTS | {"logits": [0.0, 1.0]}},
        {"inputs": INPUTS | {"target": [0]}},
        {"inputs": INPUTS | {"target": [[1.0]]}},
        {"inputs": {"logits": [[0.0, 1.0]], "target": [1], "bias": [1.0, 2.0]}},
        {"options": {"reduction": "mean"}},
        {"options": {}},
        {"grad_output": 2.0},
        {"grad_output": None},
        {"tangent": [[0.0, 1.0]]},
        {"layout": "strided"},
        {"layout": {"logits": "strided"}},
        {"layout": {"grad_output": "strided"}},
    ],
    ids=str,
)
def test_every_part_of_a_problem_is_in_its_digest(changes: dict[str, object]) -> None:
    """A change of any of them is a change of the digest."""
    assert _loss(**changes).digest() != _loss().digest()


@given(problem=problems("cross_entropy", "float64") | problems("softmax", "bfloat16"))
def test_the_same_problem_has_the_same_digest(problem: Problem) -> None:
    """However it is written: from its own source text, and with its parts in another order."""
    again = eval(repr(problem), vars(np) | {"Problem": Problem})
    assert again.digest() == problem.digest()
    inputs = {name: problem.inputs[name] for name in reversed(list(problem.inputs))}
    options = {name: problem.options[name] for name in reversed(list(problem.options))}
    names = (*inputs, "grad_output", "tangent")
    layout = {name: problem.layout_of(name) for name in names}
    turned = Problem(problem.operation, problem.dtype, inputs, options, problem.grad_output, layout, problem.tangent)
    assert turned.digest() == problem.digest()


def test_seeds_that_nobody_tells_differ() -> None:
    """A constant, or one drawn from what a test has seeded, would be foreseen."""
    found = set()
    for _ in range(20):
        random.seed(1)
        found.add(fresh_seed())
    assert len(found) == 20
    assert all(0 <= each < 2**32 for each in found)
