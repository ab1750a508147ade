"""Every rule of what no document fixes excuses the values that its row names, where its condition holds, and no others.

The table below says again, element by element, what each row names; nothing of it is read from the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from softproof import Candidate, Output, Problem, Result, Verdict, judge, judge_result, solve
from softproof.generation.edge_cases import EDGE_CASES
from softproof.generation.edges.edge_case import UNSPECIFIED
from softproof.problem.formats import FORMATS
from softproof.problem.outputs import output_shapes
from softproof.problem.problem import Array
from softproof.verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE
from softproof.verdicts.verdict import UNSPECIFIED as NOT_FIXED

from .helpers.candidates import MANUAL, REFERENCE

NAN, INF = np.nan, np.inf
BY_NUMBER = {
    edge_case.number: edge_case.problem
    for edge_case in EDGE_CASES
    if edge_case.demanded == UNSPECIFIED and edge_case.judged
}

# What is right besides the exact value, of each element in turn: n for NaN, i for what is not finite, 0 and - for 0 and
# -inf, + for +inf; . for nothing. Outputs that are not named have nothing besides it.
NAMED: dict[int, dict[str, str]] = {
    3: {"value": "nn", "grad_logits": "nn"},
    4: {"value": "..0"},
    12: {"value": "nn", "grad_logits": "nn"},
    13: {"value": "..-"},
    22: {"grad_logits": "nn"},
    23: {"grad_logits": "..0"},
    31: {"grad_p": "n."},
    34: {"grad_p": "n.", "grad_q": "n."},
    35: {"grad_p": "N.", "grad_q": "N."},
    38: {"grad_p": "N.", "grad_q": "N."},
    41: {"grad_p": "n.", "grad_q": "n."},
    42: {"grad_p": "n.", "grad_q": "n."},
    43: {"grad_p": "n.", "grad_q": "N."},
    94: {"value": "i", "grad_logits": "iiii"},
    95: {"value": "i", "grad_logits": "iiii"},
    96: {"value": "i", "grad_logits": "iiii"},
    105: {"jvp": "0"},
    113: {"value": "n"},
    115: {"value": "n"},
    116: {"value": "n"},
    117: {"value": "n", "grad_target": ".n."},
    118: {"value": "n"},
    120: {"value": "n", "grad_target": ".n."},
    122: {"value": "n", "grad_logits": "nn"},
    123: {"value": "n", "grad_logits": "nn"},
    129: {"value": "+", "grad_logits": "..w"},
    151: {"value": "N"},
    152: {"value": "n"},
    153: {"grad_target": "N."},
    154: {"value": "l", "grad_logits": "00.."},
    155: {"grad_logits": "00.."},
    156: {"grad_target": "0..."},
    157: {"grad_logits": "00.."},
    172: {"value": "n", "grad_logits": "nn"},
}
RIGHT = {
    ".": (),
    "n": (NAN,),
    "N": (NAN, 0.0),
    "i": (NAN, INF, -INF),
    "0": (0.0,),
    "-": (-INF,),
    "+": (INF,),
    "w": (-1.0,),
    "l": (float(np.float32(np.log1p(np.exp(-1.0)))),),
}
GARBAGE = (12345.0, 0.0, NAN, INF, -INF, *RIGHT["l"])


def _exact(problem: Problem) -> dict[str, Array]:
    """The right answer, in the problem's dtype."""
    with np.errstate(over="ignore"):
        return {name: FORMATS[problem.dtype].round(each.astype(np.float64)) for name, each in solve(problem).items()}


def _verdict(problem: Problem, outputs: dict[str, Array]) -> Verdict:
    given = {name: Output(np.asarray(each, np.float64), problem.dtype) for name, each in outputs.items()}
    return judge_result(problem, Result(given), bits=(128, 2048))


def _ok(problem: Problem, outputs: dict[str, Array]) -> bool:
    return _verdict(problem, outputs).ok


def _same(one: float, two: float) -> bool:
    return one == two or bool(np.isnan(one) and np.isnan(two))


def _judged(problem: Problem, garbage: Sequence[float]) -> Iterator[tuple[str, int, float, Verdict]]:
    """The verdict where an element of the right answer is replaced by garbage, or by its opposite."""
    right = _exact(problem)
    for name, values in right.items():
        for i, exact in enumerate(values.reshape(-1).tolist()):
            for wrong in {repr(x): x for x in (*garbage, -exact)}.values():
                if not _same(wrong, exact):
                    changed = values.reshape(-1).copy()
                    changed[i] = wrong
                    yield name, i, wrong, _verdict(problem, right | {name: changed.reshape(values.shape)})


def test_the_table_is_whole() -> None:
    """Every row that is unspecified and can be judged is in it, with an element for each of its outputs'."""
    assert NAMED.keys() == BY_NUMBER.keys()
    for number, outputs in NAMED.items():
        shapes = output_shapes(BY_NUMBER[number])
        assert {name: len(marks) for name, marks in outputs.items()} == {
            name: int(np.prod(shapes[name])) for name in outputs
        }


@pytest.mark.parametrize("number", NAMED)
def test_a_rule_excuses_what_its_row_names_and_nothing_else(number: int) -> None:
    """NaN, infinities of both signs, 0, the opposite, and a number out of nowhere."""
    assert _ok(BY_NUMBER[number], _exact(BY_NUMBER[number]))
    excused = 0
    for name, i, wrong, verdict in _judged(BY_NUMBER[number], GARBAGE):
        named = any(_same(wrong, each) for each in RIGHT[NAMED[number].get(name, "." * (i + 1))[i]])
        assert verdict.ok is named, (name, i, wrong)
        excused += named
    assert excused


@pytest.mark.parametrize("number", NAMED)
def test_what_a_row_names_is_right_in_all_its_elements_at_once(number: int) -> None:
    """As implementations give it."""
    right = _exact(BY_NUMBER[number])
    for name, marks in NAMED[number].items():
        values = right[name].reshape(-1).copy()
        for i, mark in enumerate(marks):
            values[i] = (*RIGHT[mark], values[i])[0]
        right[name] = values.reshape(right[name].shape)

    assert _ok(BY_NUMBER[number], right)


# ---- where the condition nearly holds -------------------------------------------------------------------------------


def _loss(dtype: str, logits: Any, target: Any, weight: Any = None, **options: Any) -> Problem:
    inputs = {"logits": logits, "target": target} | ({} if weight is None else {"weight": weight})
    g = np.ones(len(target)) if options.get("reduction") == "none" else 1.0
    return Problem("cross_entropy", dtype, inputs, options, g)


_LARGE = 1.7e308
_TINY = 2.0**-126  # the least normal float32
_LEAST = 2.0**-149  # and the least
_ROW, _MASKED, _NO_ROW = [[0.0, 1.0], [2.0, 3.0]], [[0.0, -INF, 1.0]], [[-INF, -INF], [0.0, 1.0]]
NEARLY: dict[str, Problem] = {
    "one logit almost +inf": Problem("softmax", "float64", {"logits": [_LARGE, 0.0]}, {"dim": -1}, [1.0, 2.0]),
    "two logits almost +inf": Problem("log_softmax", "float64", {"logits": [_LARGE] * 2}, {"dim": -1}, [1.0, 2.0]),
    "the least p": Problem("entropy", "float64", {"p": [5e-324, 1.0]}, {"dim": -1}, 1.0),
    "the least q": Problem(
        "distribution_cross_entropy", "float64", {"p": [0.5, 0.5], "q": [5e-324, 1.0]}, {"dim": -1}, 1.0
    ),
    "p = 0 beside q > 0": Problem(
        "distribution_cross_entropy", "float32", {"p": [0.0, 1.0], "q": [0.5, 0.5]}, {"dim": -1}, 1.0
    ),
    "the least p and q": Problem("kl_divergence", "float64", {"p": [5e-324, 1.0], "q": [5e-324, 1.0]}, {}, 1.0),
    "a sum of weights that is 0 in float64 only": _loss(
        "float64", np.zeros((3, 3)), [0, 1, 2], [2.0**60, 1.0, -(2.0**60)]
    ),
    "weights that nearly cancel": _loss("float32", _ROW, [0, 1], [-1.0, 1.0 + 2.0**-23]),
    "a subnormal total weight": _loss("float32", _ROW, [0, 0], [2.0**-128, 1.0]),
    "a row that counts, beside one without weight": _loss("float32", _ROW, [0, 1], [0.0, 2.0]),
    "weights of both signs that do not count": _loss("float32", [[0.0] * 3] * 2, [0, -100], [1.0, 3.0, -3.0]),
    "one row that counts": Problem(
        "cross_entropy", "float32", {"logits": _ROW, "target": [0, -100]}, {}, tangent=np.ones((2, 2))
    ),
    "the least normal probability at a mask": _loss("float32", _MASKED, [[0.5, _TINY, 0.5]]),
    "the least normal weight at a mask": _loss("float32", _MASKED, [1], [1.0, _TINY, 1.0], reduction="sum"),
    "a smoothing near 1 at a mask": _loss("float32", _MASKED, [1], label_smoothing=0.75),
    "the least weight of a row of -inf": _loss("float32", _NO_ROW, [0, 1], [_LEAST, 1.0], reduction="none"),
    "the least probability of a row of -inf": _loss("float32", _NO_ROW, [[0.0, _LEAST], [1.0, 0.0]], reduction="sum"),
    "the least upstream of a row of -inf": replace(
        _loss("float32", _NO_ROW, [0, 1], reduction="none"), grad_output=np.array([_LEAST, 1.0])
    ),
    "the least upstream of an element of a row of -inf": Problem(
        "softmax", "float32", {"logits": _NO_ROW}, {"dim": -1}, [[0.0, _LEAST], [1.0, 2.0]]
    ),
    "+inf in a row that does not count": _loss("float32", [[INF, 0.0], [1.0, 0.0]], [-100, 0]),
}


@pytest.mark.parametrize("name", NEARLY)
def test_nothing_is_excused_where_a_condition_nearly_holds(name: str, thorough: bool) -> None:
    """A smallest number for 0, a largest for +inf, a total that is not 0: no row is cited, whatever the answer is."""
    verdicts = [verdict for *_, verdict in _judged(NEARLY[name], GARBAGE if thorough else (12345.0, NAN, 0.0))]

    assert len(verdicts) > 3
    assert {verdict.unspecified for verdict in verdicts} == {()}
    assert not _ok(NEARLY[name], {each: np.full(array.shape, NAN) for each, array in _exact(NEARLY[name]).items()})


WITHOUT = [[-INF, -INF, -INF], [NAN, 0.0, 1.0], [INF, INF, 0.0]]  # softmax
OTHER, V = [0.0, 1.0, 2.0], [[1.0, -2.0, 0.5], [3.0, 1.0, 2.0]]


def _kinds(row: list[float]) -> Iterator[tuple[str, dict[str, Any]]]:
    weight = [2.0, 0.0, 1.0]
    yield f"labels of weight 0 at {row}", {"target": [1, 0], "weight": weight}
    yield f"probabilities of 0 at {row}", {"target": [[0.0, 0.0, 0.0], [0.5, 0.25, 0.25]]}
    yield f"weights of 0 at {row}", {"target": [[0.0, 1.0, 0.0], [0.5, 0.25, 0.25]], "weight": weight}


WEIGHTLESS: dict[str, Problem] = {
    f"{reduction} of {kind}": Problem(
        "cross_entropy", "float32", {"logits": [row, OTHER], **more}, {"reduction": reduction}, g, tangent=V
    )
    for row in WITHOUT
    for reduction, g in (("none", [1.0, 2.0]), ("sum", 2.0), ("mean", 3.0))
    for kind, more in _kinds(row)
}


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_whoever_leaves_out_what_weighs_nothing_is_right(name: str) -> None:
    """A row without a softmax whose coefficients are 0 is as one with logits of 0, in every output but ∂q."""
    problem = WEIGHTLESS[name]
    instead = replace(problem, inputs={**problem.inputs, "logits": np.array([[0.0, 0.0, 0.0], OTHER])})
    right, left_out = _exact(problem), _exact(instead)
    answer = {each: right[each] if each == "grad_target" else array for each, array in left_out.items()}

    assert all(np.isnan(each).any() for each in right.values())
    assert _ok(problem, right)
    assert _verdict(problem, answer).ok
    assert {"value", "grad_logits", "jvp", "hvp_logits"} <= right.keys()
    for each in ("value", "jvp"):
        assert not _ok(problem, answer | {each: left_out[each] * 1.01})
        assert not _ok(problem, answer | {each: np.full(left_out[each].shape, INF)})


@pytest.mark.parametrize("wrong", [12345.0, NAN, 0.0, INF])
def test_a_total_that_is_0_in_float64_only_excuses_nothing(wrong: float) -> None:
    """log 3 is the mean, whatever is left of 2^60 + 1 - 2^60."""
    problem = NEARLY["a sum of weights that is 0 in float64 only"]

    assert not _ok(problem, _exact(problem) | {"value": np.array(wrong)})


@pytest.mark.parametrize(("smoothing", "excused"), [(0.0, False), (0.5, True)])
def test_what_may_underflow_may_be_no_number(smoothing: float, excused: bool) -> None:
    """The least normal weight times a smoothing of a half, at a masked class: +inf, and NaN where 0·∞ may be."""
    problem = _loss("float32", _MASKED, [1], [1.0, _TINY, 1.0], reduction="sum", label_smoothing=smoothing)
    right = _exact(problem)

    assert right["value"] == INF
    assert _ok(problem, right)
    assert _ok(problem, right | {"value": np.array(NAN)}) is excused
    assert not _ok(problem, right | {"value": np.array(0.0)})


def test_what_overflows_excuses_its_own_row_alone() -> None:
    """0 times a logarithm beyond float32 may be NaN; a weight of 0 beside it, whose logarithm is not, may not."""

    def loss(target: list[int]) -> Problem:
        logits = np.array([[-3e38, 3e38, 0.0], [1.0, 0.0, 2.0]], np.float32)
        return _loss("float32", logits, target, [0.0, 1.0, 2.0], reduction="none")

    own, other = loss([0, 1]), loss([1, 0])

    assert _ok(own, _exact(own) | {"value": np.array([NAN, _exact(own)["value"][1]])})
    assert not _ok(own, _exact(own) | {"value": np.array([0.0, NAN])})
    assert not _ok(other, _exact(other) | {"value": np.array([0.0, NAN])})


def test_a_rest_of_weights_is_no_number_where_every_sum_is_exact() -> None:
    """2 - 1 - 1 is 0 in every order, and so is 0 + 0, whatever other weights are; 2^24 units of one sign fit too."""
    whole = _loss("float32", np.zeros((3, 3)), [0, 1, 2], [2.0, -1.0, -1.0])
    just = _loss("float32", np.zeros((3, 3)), [0, 1, 2], [1.0 + 2.0**-23, 2.0**-23 - 1.0, -(2.0**-22)])
    none = _loss("float32", np.zeros((2, 3)), [0, 0], [0.0, 3.0, -3.0])

    for problem in (whole, just, none):
        for value, ok in ((1.0986, False), (NAN, True), (INF, True), (-INF, True)):
            assert _ok(problem, _exact(problem) | {"value": np.array(np.float32(value))}) is ok


ROUNDED = [1.0 + 2.0**-23, 2.0**-24, -1.0 - 2.0**-23, -(2.0**-24)]  # their sum is 0, and rounds on the way


def test_a_quotient_by_a_rest_is_as_large_as_that_is_small() -> None:
    """The numerator is about 1, and what may be left at most 5u Σ|w|, and a multiple of 2^-24."""
    problem = _loss("float32", np.diag([4.0, 0.0, 0.0, 0.0]), [0, 1, 2, 3], ROUNDED)
    right = _exact(problem)

    for value, ok in ((2.0**23, True), (-(2.0**22), True), (1.0986, False), (12345.0, False), (0.0, False),
                      (2.0**30, False)):  # fmt: skip
        verdict = _verdict(problem, right | {"value": np.array(np.float32(value))})
        assert (verdict.outcome != DISAGREES) is ok, value
        assert verdict.ok is ok, value


def test_a_quotient_of_0_by_a_rest_has_no_guarantee() -> None:
    """The losses are equal, so that the numerator is 0, or what rounding leaves of it."""
    problem = _loss("float32", np.zeros((4, 4)), [0, 1, 2, 3], ROUNDED)

    for value in (1.0986, 0.0, 2.0):
        assert _verdict(problem, _exact(problem) | {"value": np.array(np.float32(value))}).outcome == NO_GUARANTEE
    assert not _ok(problem, _exact(problem) | {"value": np.array(2.0**100)})


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("library", [MANUAL, REFERENCE], ids=["manual", "reference"])
def test_whoever_divides_by_a_rest_is_right(library: Candidate, seed: int) -> None:
    """Weights of many sizes that cancel exactly, in a drawn order of rows; 1 and 0 are no such quotient."""
    rng = np.random.default_rng(seed)
    unit = np.ldexp(rng.integers(2**10, 2**14, 3), rng.integers(-10, 3, 3)).astype(np.float64)
    w = np.concatenate([256 * unit, -255 * unit, -unit])
    order = rng.permutation(len(w))
    problem = _loss("float32", rng.normal(0, 2, (len(w), len(w))).astype(np.float32), order, w)

    assert judge(library, problem).outcome in (AGREES, NOT_FIXED, NO_GUARANTEE)
    for wrong in (1.0, 0.0):
        assert not _ok(problem, _exact(problem) | {"value": np.array(wrong)})


def test_ignored_rows_of_a_layer_have_no_gradient_whatever_the_mean_divides_by() -> None:
    """∂input is 0 in a row that does not count, where the total weight is 0."""
    inputs: dict[str, Any] = {
        "input": [[1.0, 2.0], [3.0, 4.0]], "linear_weight": [[1.0, 0.0], [0.0, 1.0]], "target": [0, -100],
        "weight": [0.0, 1.0],
    }  # fmt: skip
    problem = Problem("linear_cross_entropy", "float32", inputs, {}, 1.0)
    right = _exact(problem)

    assert np.isnan(right["grad_input"]).tolist() == [[True, True], [False, False]]
    assert _ok(problem, right | {"grad_input": np.array([[INF, -INF], [0.0, 0.0]])})
    assert not _ok(problem, right | {"grad_input": np.array([[NAN, NAN], [NAN, 0.0]])})


@pytest.mark.parametrize("library", [MANUAL, REFERENCE], ids=["manual", "reference"])
def test_a_row_of_several_positions_counts_where_one_of_them_does(library: Candidate) -> None:
    """A weight (C, d1, D) gives each row of the input d1 labels; ∂input is 0 where all of them are ignored."""
    inputs: dict[str, Any] = {
        "input": [[1.0], [2.0], [3.0]], "linear_weight": [[[1.0], [0.5]], [[0.0], [2.0]]],
        "target": [[0, -100], [-100, 0], [-100, -100]], "weight": [0.0, 1.0],
    }  # fmt: skip
    problem = Problem("linear_cross_entropy", "float32", inputs, {"label_smoothing": 0.25}, 1.0)
    right = _exact(problem)

    assert judge(library, problem).ok
    assert _ok(problem, right | {"grad_input": np.array([[INF], [NAN], [0.0]])})
    assert not _ok(problem, right | {"grad_input": np.array([[INF], [NAN], [NAN]])})
    assert not _ok(problem, right | {"grad_input": np.array([[INF], [1.0], [0.0]])})
