"""Answers and records that hold what they may not."""

from __future__ import annotations

from typing import Any

from softproof import Result
from softproof.problem.formats import FORMATS
from softproof.reports.row import Errors, Outcome

from ..wrong.no_answers import NO_ANSWERS
from .inputs import GOOD, Call, Table

SINGLE = FORMATS["float32"]


def _output(values: Any) -> Call:
    return lambda f: f.Output(values, "float32")


OUTPUTS: Table = {
    f"an output of {name}": (_output(values), TypeError, words) for name, (values, words) in NO_ANSWERS.items()
}
ANSWERS: Table = {
    "no result": (
        lambda f: f.judge_result(GOOD, {"value": 1}),
        TypeError,
        "result is a dict; expected a softproof.Result",
    ),
    "no output": (
        lambda f: f.judge_result(GOOD, Result({"value": 3})),  # type: ignore[dict-item]  # that is the mistake
        TypeError,
        "output value is a int; expected a softproof.Output",
    ),
    "no values": (
        lambda f: f.judge_result(GOOD, Result({"value": f.Output("x", "float32")})),
        TypeError,
        "values is a str; expected a NumPy array",
    ),
    "a baseline for an answer": (
        lambda f: f.judge_result(GOOD, Result(), accuracy="D"),
        ValueError,
        "accuracy D compares with a baseline",
    ),
    "no refusal": (lambda f: f.judge_refusal(GOOD, 2), TypeError, "result is a int; expected a softproof.Result"),
    "a result of a list": (lambda f: f.Result([1.0]), TypeError, "outputs is a list; expected a mapping from names"),
    "a verdict beyond its bound": (
        lambda f: f.Verdict("agrees", ratio=2.0),
        ValueError,
        "ratio, error/bound, is 2.0; expected at most 1, since outcome is 'agrees'",
    ),
    "a behaviour of words": (
        lambda f: f.Behaviour("agrees", (), ()),
        TypeError,
        "verdict is 'agrees'; expected a softproof.Verdict",
    ),
    "a row beyond its bound": (
        lambda f: f.Row("mine", "softmax", "float32", "cpu", Outcome("agrees"), errors=Errors(0.0, 2.0)),
        ValueError,
        "mine softmax float32 cpu reads agrees, and its error/bound is 2.0; expected at most 1",
    ),
    "a report of words": (
        lambda f: f.Report(("agrees",), 0),
        TypeError,
        "rows is ('agrees',); expected a tuple of Rows",
    ),
    "a candidate without an adapter": (
        lambda f: f.Candidate("mine", {}, {}, "abacus"),
        ValueError,
        "adapter is 'abacus'; expected one of numpy, torch",
    ),
    "an exponential that is exact": (
        lambda f: f.Arithmetic("mine", SINGLE, SINGLE, 0.0, 1.0, 2.0, "mine"),
        ValueError,
        "c_exp is 0.0; expected a positive number",
    ),
    "what a name was measured to do": (
        lambda f: f.Measured("manual"),
        TypeError,
        "candidate is 'manual'; expected what softproof.load gives",
    ),
}
