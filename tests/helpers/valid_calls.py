"""One valid call, or two, of each public function of `manual`, `reference` and `softproof`."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from types import ModuleType
from typing import Any

import hypothesis
import numpy as np
import torch

import manual
import reference
import softproof
from softproof import Problem, Result
from softproof.problem.formats import FORMATS
from softproof.reports import row as groups

from . import hostile as meanings
from .candidates import MANUAL, REFERENCE
from .hostile import (
    Argument,
    Call,
    anything,
    by_numpy,
    by_numpy_or_none,
    by_torch,
    by_torch_or_none,
    flag,
    is_bool,
    items,
    mapping,
    nothing,
    optional,
    real,
    whole,
)
from .hostile import word as text
from .rows import AGREEING

X = np.array([[0.5, 1.0, -2.0], [3.0, 0.25, 0.0]])  # logits (N, C)
W = np.arange(12.0).reshape(3, 4) / 8  # linear weight (C, D)
OF_DISTRIBUTIONS = ("entropy", "distribution_cross_entropy", "kl_divergence")
ROWS = ("logsumexp", "softmax_entropy", "softmax_kl_divergence", *OF_DISTRIBUTIONS)  # one number for each row

# ---- the two halves -------------------------------------------------------------------------------------------------

_USUAL: dict[str, Any] = {
    "logits": X,
    "tangent": X[::-1],
    "p_logits": X,
    "q_logits": X[::-1],
    "p": np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]),
    "q": np.array([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]]),
    "weight": np.array([0.5, 1.0, 2.0]),
    "target": np.array([0, 2]),
    "input": W[:2] - 1,
    "linear_weight": W,
    "linear_bias": np.array([0.5, 0.0, -1.0]),
    "bias": np.array([0.5, 0.0, -1.0]),
}
_OPTIONS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "dim": (-1, whole),
    "keepdim": (False, flag),
    "ignore_index": (-100, whole),
    "path": (1, whole),
    "reduction": ("mean", text),
    "label_smoothing": (0.0, real),
}


def _axes(value: Any) -> Any:
    """One axis, or several."""
    return tuple(map(whole, value)) if isinstance(value, list | tuple) else whole(value)


def _device(value: Any) -> Any:
    """One that holds numbers."""
    if not isinstance(value, str | torch.device | None) or str(value).startswith("meta"):
        raise meanings.NoMeaningError
    try:
        torch.empty(0, device=value)
    except Exception as error:
        raise meanings.NoMeaningError from error
    return value


def _values(name: str) -> dict[str, Any]:
    """The arrays that a function takes, where they are not the usual ones."""
    if name.startswith(("weight_gradient", "probabilities")):
        q = _USUAL["q"][0]
        return {"input": W[0], "weight": W, "target": q, "p": q}
    if name.startswith("linear") and "cross" not in name:
        return {"weight": W, "grad_output": X}
    if name.startswith(ROWS):
        return {"grad_output": np.array([0.5, 2.0])}
    return {"grad_output": X + 1 if name.startswith(("softmax", "log_softmax")) else np.array(0.5)}


def _of_half(half: ModuleType, name: str, probabilities: bool = False) -> Call:
    function, own = getattr(half, name), _values(name)
    numbers, or_none = (by_numpy, by_numpy_or_none) if half is manual else (by_torch, by_torch_or_none)
    if probabilities:
        own["target"] = _USUAL["q"]
    arguments = {}
    for each, parameter in inspect.signature(function).parameters.items():
        if each == "device":
            arguments[each] = Argument(lambda: None, _device)
        elif each in _OPTIONS:
            value, meaning = (-1, _axes) if (each, "logsumexp" in name) == ("dim", True) else _OPTIONS[each]
            arguments[each] = Argument(lambda value=value: value, meaning)  # type: ignore[misc]
        else:
            array = {**_USUAL, **own}[each]
            takes_none = parameter.default is None
            arguments[each] = Argument(array.copy, or_none if takes_none else numbers)
    words = " of probabilities" if probabilities else ""
    return Call(f"{half.__name__}.{name}{words}", function, arguments)


def _halves() -> Iterator[Call]:
    for half in (manual, reference):
        for name, function in vars(half).items():
            if inspect.isfunction(function):
                yield _of_half(half, name)
                if "target" in inspect.signature(function).parameters and name.startswith(("cross", "linear")):
                    yield _of_half(half, name, probabilities=True)


# ---- the judge ------------------------------------------------------------------------------------------------------

SOFTMAX = Problem("softmax", "float32", {"logits": X}, {"dim": -1}, X, tangent=X)
OF_TWO_AXES = Problem("softmax", "float32", {"logits": X}, {"dim": -1}, X)
LAYER = Problem("linear_cross_entropy", "float32",
                {"input": W[:2], "linear_weight": W, "target": [0, 2]}, {}, 0.5)  # fmt: skip
ALONE = softproof.load("manual:softmax")


def _given(value: Any, meaning: Callable[[Any], Any] = nothing) -> Argument:
    return Argument(lambda: value, meaning)


def _bits(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not value:
        raise meanings.NoMeaningError
    return [_precision(each) for each in value]


def _precision(value: Any) -> Any:
    if whole(value) < 53 or value > 1 << 16:
        raise meanings.NoMeaningError
    return int(value)


def _count(value: Any) -> Any:
    if whole(value) < 1:
        raise meanings.NoMeaningError
    return int(value)


def _at_least_0(value: Any) -> Any:
    if whole(value) < 0:
        raise meanings.NoMeaningError
    return int(value)


def _arithmetic(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    raise meanings.NoMeaningError


_DEVICE = _given("cpu", text)
_CRITERIA = {"arithmetic": _given(None, _arithmetic), "accuracy": _given("C", text)}
_AGAIN = {**_CRITERIA, "bits": _given((53, 128), _bits)}
_NAMES = optional(items(text))


def _place(value: Any) -> Any:
    """The number of a result, or its name, which is no number in a text."""
    if not isinstance(value, str):
        return _at_least_0(value)
    if not value.strip() or value.lstrip("-").isdecimal():
        raise meanings.NoMeaningError
    return value


_INTERFACE = {
    "supports": _given(None, _NAMES),
    "without": _given(["layouts"], items(text)),
    "names": _given({}, mapping),
    "fixed": _given({}, mapping),
    "extra": _given({}, mapping),
    "ndim": _given([2], items(whole)),
    "writes": _given(["logits"], items(text)),
    "output": _given(None, optional(_place)),
}
_HOW = _INTERFACE | {
    name: _given(_INTERFACE[name].make(), optional(_INTERFACE[name].meaning)) for name in ("without", "ndim", "writes")
}


def _answer(values: Any, dtype: Any, device: Any) -> Any:
    """The verdict on one's own answer."""
    return softproof.judge_result(Problem("softmax", "float32", {"logits": X[0]}, {"dim": -1}),
                                  Result({"value": softproof.Output(values, dtype, device)}))  # fmt: skip


def _judged(operation: str, **given: Any) -> Any:
    """The verdict on a problem that is made of arguments."""
    inputs = {name: given.pop(name) for name in softproof.OPERATIONS[operation].inputs if name in given}
    if (weight := given.pop("weight", None)) is not None:
        inputs["weight"] = weight
    vectors = {name: given.pop(name) for name in ("grad_output", "tangent", "layout") if name in given}
    return softproof.judge(REFERENCE, Problem(operation, "float64", inputs, given, **vectors))


def _of_problem(operation: str, *names: str) -> Call:
    array = by_numpy_or_none
    arguments = {each: Argument(_USUAL[each].copy, array if each == "weight" else by_numpy)
                 for each in names if each in _USUAL}  # fmt: skip
    arguments |= {each: _given(*_OPTIONS[each]) for each in names if each in _OPTIONS}
    if "tangent" in names:
        arguments |= {"grad_output": Argument(X.copy, array), "tangent": Argument(X.copy, array),
                      "layout": _given("contiguous", anything)}  # fmt: skip
    return Call(f"softproof.Problem of {operation}", lambda **given: _judged(operation, **given), arguments)


def _judges() -> Iterator[Call]:
    problem = {"problem": _given(SOFTMAX)}
    baseline = {"baseline": _given(None, anything), "factor": _given(1.0, real)}
    asked = {"implementation": _given(MANUAL), **problem, "device": _DEVICE, **_AGAIN}
    yield Call("softproof.judge", softproof.judge, {**asked, **baseline})
    own = {**asked, "accuracy": _given("D", text), "baseline": _given(MANUAL), "factor": _given(2.0, real)}
    yield Call("softproof.judge by a baseline", softproof.judge, own)
    again = {"candidate": _given(MANUAL), **problem, "device": _DEVICE}
    checks = {"check": _given("asked twice", optional(text)), "dtypes": _given(("float32",), items(text))}
    yield Call("softproof.check_behaviour", softproof.check_behaviour, {**again, **checks, **_AGAIN})
    yield Call(
        "softproof.check_relations",
        softproof.check_relations,
        {**again, "relation": _given("flattened", optional(text)), **_CRITERIA},
    )
    rows = {"candidate": _given(MANUAL), "problem": _given(OF_TWO_AXES), "times": _given(4, whole), "device": _DEVICE}
    yield Call("softproof.judge_repeated", softproof.judge_repeated, {**rows, **_CRITERIA})
    staged = {"implementation": _given(MANUAL), "problem": _given(LAYER), "device": _DEVICE,
              "judge": _given(lambda stage: softproof.judge(MANUAL, stage), anything)}  # fmt: skip
    yield Call("softproof.stages", softproof.stages, staged, list)
    result = {**problem, "result": _given(MANUAL.answer(SOFTMAX))}
    yield Call("softproof.judge_result", softproof.judge_result, {**result, "device": _DEVICE, **_AGAIN})
    refusal = {"problem": _given(SOFTMAX), "result": _given(Result(raised="IndexError"))}
    yield Call("softproof.judge_refusal", softproof.judge_refusal, refusal)
    yield Call("softproof.bound", softproof.bound, {**problem, "arithmetic": _given(None, _arithmetic)})
    yield Call("softproof.solve", softproof.solve, {**problem, "bits": _given(128, _precision)})
    rounded = softproof.load("manual").answer(Problem("softmax", "float32", {"logits": X[0]}, {"dim": -1}))
    values = Argument(rounded.outputs["value"].values.copy, by_numpy)
    yield Call("softproof.Output", _answer, {"values": values, "dtype": _given("float32", text), "device": _DEVICE})


def _data() -> Iterator[Call]:
    made = {"operation": _given("softmax", text), "dtype": _given("float64", text),
            "inputs": _given({"logits": X}), "options": _given({"dim": -1}, optional(mapping)),
            "grad_output": Argument(X.copy, by_numpy_or_none), "layout": _given("contiguous", mapping),
            "tangent": Argument(X.copy, by_numpy_or_none)}  # fmt: skip
    yield Call("softproof.Problem", lambda **given: softproof.bound(Problem(**given)), made)
    yield _of_problem("softmax", "logits", "dim", "tangent")
    yield _of_problem("cross_entropy", "logits", "target", "weight", "ignore_index", "reduction", "label_smoothing")
    yield _of_problem("kl_divergence", "p", "q", "dim")
    result = {"outputs": _given(MANUAL.answer(SOFTMAX).outputs, _no_outputs), "written": _given((), items(text)),
              "raised": _given(None, optional(text)), "changed": _given((), items(text)),
              "lost": _given(None, optional(text))}  # fmt: skip
    yield Call("softproof.Result", lambda **given: softproof.judge_result(SOFTMAX, Result(**given)), result)
    usual = vars(softproof.any_order("float32"))
    kinds = {bool: flag, float: _positive, str: text}
    fields = {name: _given(value, kinds.get(type(value), nothing)) for name, value in usual.items()}
    fields |= {"total": _given(FORMATS["float32"], optional(nothing)), "factors": _given(None, optional(nothing)),
               "stored": _given(frozenset({"exp"}), items(text)),
               **dict.fromkeys(("depth", "total_depth"), _given("any order", _depth)),
               "exp_subnormals": _given(2.0, _not_negative)}  # fmt: skip
    yield Call(
        "softproof.Arithmetic",
        lambda **given: softproof.bound(SOFTMAX, replace(softproof.any_order("float32"), **given)),
        fields,
    )
    yield Call("softproof.any_order", softproof.any_order, {"dtype": _given("float16", text)})


def _no_outputs(value: Any) -> Any:
    return nothing(value) if mapping(value) else {}


def _positive(value: Any) -> Any:
    if not 0 < real(value) < np.inf:
        raise meanings.NoMeaningError
    return value


def _not_negative(value: Any) -> Any:
    return value if not is_bool(value) and value == 0 else _positive(value)


def _depth(value: Any) -> Any:
    return text(value) if isinstance(value, str) else _at_least_0(value)


def _targets() -> Iterator[Call]:
    named = {"operation": _given(None, optional(text)), "adapter": _given("numpy", optional(text))}
    target = _given(manual.softmax, anything)
    yield Call("softproof.load", softproof.load, {"target": target, **named, "tried": _given(True, flag), **_HOW})
    yield Call(
        "softproof.load by name", softproof.load, {"target": _given("manual:softmax", anything), **named, **_HOW}
    )
    yield Call("softproof.load again", softproof.load, {"target": _given(ALONE, anything), **_HOW})
    yield Call("softproof.Interface", lambda **given: softproof.Interface(**given).words(), _INTERFACE)
    few = {"examples": _given(1, _count), "seed": _given(0, optional(whole)), "shrink": _given(False, flag),
           "dtypes": _given(["float32"], _NAMES), "in_process": _given(True, optional(flag)),
           "time_limit": _given(9.0, real), "database": _given(None, optional(meanings.place)),
           "progress": _given(None, anything)}  # fmt: skip
    verified = {"target": target, **named, "device": _DEVICE, **few, **_CRITERIA, "baseline": _given(None, anything),
                "factor": _given(1.0, real), **_HOW}  # fmt: skip
    yield Call("softproof.verify", softproof.verify, verified, lambda report: [row.verdict for row in report.rows])
    tests = {"target": target, "operation": _given(None, optional(text)), "dtypes": _given(["float32"], _NAMES),
             "devices": _given(["cpu"], items(text)), "expected_failures": _given([], items(text)),
             "require_devices": _given(False, flag), "examples": _given(1, _count), "seed": _given(0, optional(whole)),
             **_CRITERIA, **_HOW}  # fmt: skip
    yield Call("softproof.conformance", softproof.conformance, tests, lambda mark: len(mark.mark.args[1]))


# ---- records --------------------------------------------------------------------------------------------------------


def _size(value: Any) -> Any:
    if real(value) < 0:
        raise meanings.NoMeaningError
    return float(value)


def _tuple_of(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def found(value: Any) -> Any:
        if not isinstance(value, tuple):
            raise meanings.NoMeaningError
        return tuple(map(of, value))

    return found


def _one_of(*names: str) -> Callable[[Any], Any]:
    def found(value: Any) -> Any:
        if text(value) not in names:
            raise meanings.NoMeaningError
        return value

    return found


def _by_name(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: {name: of(each) for name, each in mapping(value).items()}


_SIZES, _NOTHING_ELSE = _by_name(_size), _by_name(nothing)
_SAID = _given("disagrees", _one_of("agrees", "disagrees"))
_WORDS, _TEXT, _COUNT, _SIZE = (
    _given(("x",), _tuple_of(text)),
    _given("x", text),
    _given(1, _at_least_0),
    _given(0.5, _size),
)
_COUNTS, _CLASS = _given((1,), _tuple_of(_at_least_0)), _given("C", _one_of(*"ABCD"))
_VERDICT: dict[str, Argument] = {
    "outcome": _SAID, "ratio": _SIZE, "ulps": _SIZE, "output": _TEXT, "index": _COUNTS, "explanation": _TEXT,
    "problem": _given(None, optional(nothing)), "ratios": _given({"value": 0.5}, _SIZES), "accuracy": _CLASS,
    "unspecified": _COUNTS, "cited": _given({"value": X}, _NOTHING_ELSE),
    "vacuous": _given({"value": ("zero",)}, _NOTHING_ELSE),
    "detectable": _given({"value": 0.5}, _SIZES),
}  # fmt: skip
_ROW: dict[str, Argument] = {  # and its groups
    **dict.fromkeys(("implementation", "operation", "dtype", "device", "arithmetic", "lost", "reason"), _TEXT),
    **dict.fromkeys(("problems", "unbounded", "uncounted", "printed"), _COUNT),
    **dict.fromkeys(("ulps", "ratio", "seconds"), _SIZE),
    **dict.fromkeys(("gradients", "isolated"), _given(True, flag)),
    **dict.fromkeys(("unsupported", "checks", "differ", "relations", "reported"), _WORDS),
    "verdict": _SAID, "accuracy": _CLASS, "unspecified": _COUNTS,
    "regions": _given({"masked": 1}, _by_name(_at_least_0)),
    "vacuous": _given({"value": {"zero": 1}}, _NOTHING_ELSE), "detectable": _given({"value": 0.5}, _SIZES),
    "outcome": _given(groups.Outcome("disagrees")), "failures": _given((), _tuple_of(nothing)),
}  # fmt: skip


FAR = 10**300  # beyond which a whole number may be none of float64


def _told(value: Any) -> Any:
    """What a record says: a number of NumPy is the number that it is, and so is a whole one among others."""
    if is_dataclass(value):
        return {each.name: _told(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _told(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_told(each) for each in value]
    if isinstance(value, int | np.integer) and abs(int(value)) > FAR:
        return int(value)
    return float(value) if isinstance(value, int | float | np.number) else str(value)


def _records() -> Iterator[Call]:
    yield Call("softproof.Verdict", softproof.Verdict, _VERDICT, str)
    for kind in (softproof.Row, groups.Outcome, groups.Asked, groups.Coverage, groups.Errors, groups.Basis):
        own = {each.name: _ROW[each.name] for each in fields(kind) if each.name in _ROW}
        yield Call(f"softproof.Row {kind.__name__}".removesuffix(" Row"), kind, own, _told)
    report = {"rows": _given((AGREEING,), _tuple_of(nothing)), "seed": _given(0, whole), "expected": _WORDS,
              "ended_by": _COUNT, "inputs": _given((("x", "y"),), _tuple_of(_tuple_of(text))),
              "protections": _given((), _tuple_of(nothing))}  # fmt: skip
    yield Call("softproof.Report", softproof.Report, report, lambda report: int(report.status))
    found = {"verdict": _given(softproof.Verdict("agrees")), "checks": _WORDS, "differ": _WORDS}
    yield Call("softproof.Behaviour", softproof.Behaviour, found, str)
    functions = _given({"softmax": manual.softmax}, _NOTHING_ELSE)
    candidate = {**dict.fromkeys(("functions", "backwards", "jvps", "hvps"), functions), "name": _TEXT, "source": _TEXT,
                 "adapter": _given("numpy", _one_of("numpy", "torch", "jax", "onnx", "process")),
                 "interface": _given(softproof.Interface()), "tried": _given(True, flag),
                 "formats": _given(("float32",), _tuple_of(_one_of(*FORMATS))),
                 "arrangements": _given(("strided",), _tuple_of(_one_of("strided")))}  # fmt: skip
    yield Call("softproof.Candidate", softproof.Candidate, candidate, lambda made: (str(made.name), made.operations))


def _first(strategy: Any) -> Problem:
    """The first that is drawn from one seed."""
    few = hypothesis.settings(database=None, max_examples=1, phases=[hypothesis.Phase.generate])
    found: Problem = hypothesis.find(strategy, lambda _problem: True, settings=few, random=random.Random(0))
    return found


def _drawn() -> Iterator[Call]:
    kind = {"operation": _given("softmax", text), "dtype": _given("float32", text)}
    drawn = {**kind, "supports": _given(None, _NAMES), "small": _given(True, flag),
             "layouts": _given(["strided"], items(text)), "fixed": _given({}, optional(mapping)),
             "ndim": _given([2], items(whole))}  # fmt: skip
    yield Call("softproof.problems", softproof.problems, drawn, _first)
    large = {**kind, "supports": _given(None, _NAMES), "fixed": _given({}, optional(mapping)), "seed": _given(1, whole),
             "ndim": _given([2], items(whole)), "layouts": _given(["strided"], items(text))}  # fmt: skip
    yield Call("softproof.large_problems", softproof.large_problems, large, len)
    many = {**kind, "supports": _given(None, _NAMES), "fixed": _given({}, optional(mapping)),
            "index": _given("float32", text), "seed": _given(1, whole), "upstream": _given(True, flag)}  # fmt: skip
    yield Call("softproof.repeated_rows", softproof.repeated_rows, many, lambda found: found[0].digest())
    layers = [("linear", 2, 3), "tanh", ("linear", 3, 2)]
    stated = {"layers": _given(layers, items(anything)), "loss": _given("cross_entropy", text)}
    yield Call("softproof.network", softproof.network, stated, repr)
    yield Call("softproof.database", softproof.database, {"where": _given("failures", meanings.place)}, type)


CALLS = {call.name: call for call in (*_halves(), *_judges(), *_data(), *_targets(), *_drawn(), *_records())}
