"""PyTorch's own samples of these operations: both halves answer all of them, and so do torch's own functions.

`torch.testing` has samples for every operator, and calls with an error in them (OpInfo). A sample is made a Problem;
torch's own function is called with the sample itself, so that the Problem is shown to ask the same. Each test prints
how many samples there were (`pytest -rP`). Left out are samples of complex numbers, which logsumexp and what takes a
`dtype` have: complex softmax is no distribution.
"""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

import manual
import reference
from softproof import Candidate, Output, Problem, Result, judge, judge_result
from softproof.problem.outputs import gradient_names, value_shape
from softproof.problem.problem import Array

from .helpers.candidates import MANUAL, REFERENCE

LOSS = "nn.functional.linear_cross_entropy"
VARIANTS = (
    ("softmax", ""),
    ("softmax", "with_dtype"),
    ("nn.functional.softmin", ""),
    ("nn.functional.softmin", "with_dtype"),
    ("log_softmax", ""),
    ("log_softmax", "with_dtype"),
    ("logsumexp", ""),
    ("nn.functional.cross_entropy", ""),
    (LOSS, ""),
    (LOSS, "chunked"),
    (LOSS, "chunked_none"),
)
WITH_ERRORS = [each for each in VARIANTS if each[0] == LOSS]  # what torch has samples of errors of
FORMATS = {torch.float64: "float64", torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}
WRAPS = {("nn.functional.softmin", torch.uint8)}  # torch negates before it casts: -1 is 255 there
ARGUMENTS = re.compile(r"\b(input|linear_weight|weight|target|ignore_index|linear_bias)\b")


@cache
def _operators() -> dict[tuple[str, str], Any]:
    """torch's records of its operators, by name and variant."""
    pytest.importorskip("expecttest", reason="torch.testing imports expecttest, which is not installed")
    with warnings.catch_warnings(action="ignore"), mock.patch("torch.backends.disable_global_flags"):
        from torch.testing._internal.common_methods_invocations import op_db
    return {(each.name, each.variant_test_name): each for each in op_db}


def _operator(name: str, variant: str) -> Any:
    if (name, variant) not in _operators():
        pytest.skip(f"torch {torch.__version__} has no samples of {name}, variant {variant or 'plain'}")
    return _operators()[name, variant]


@cache
def _samples(name: str, variant: str, dtype: torch.dtype) -> list[tuple[Any, Problem]]:
    """The samples, also those that torch compares with NumPy alone, each as a problem too; the same each time."""
    operator = _operator(name, variant)
    random.seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        samples = list(operator.reference_inputs("cpu", dtype, requires_grad=dtype in FORMATS))
    return [(each, _problem(name, each)) for each in samples]


# ---- a sample as a problem ------------------------------------------------------------------------------------------


def _array(x: Tensor) -> Array:
    found: Array = (x.detach().double() if x.is_floating_point() else x).numpy()
    return found


def _cast(sample: Any) -> Tensor:
    """The first input in the format that the result has."""
    x: Tensor = sample.input.detach()
    return x.to(sample.kwargs.get("dtype") or (x.dtype if x.is_floating_point() else torch.get_default_dtype()))


def _problem(name: str, sample: Any) -> Problem:
    """What the sample asks, with upstream gradients that differ; softmin as a softmax of the negative."""
    x, arguments = _cast(sample), sample.args
    keywords = {key: each for key, each in sample.kwargs.items() if key not in ("options", "dtype")}
    tensors = {key: each for key, each in keywords.items() if isinstance(each, Tensor)}
    options = {key: each for key, each in keywords.items() if key not in tensors}
    if name == LOSS:
        inputs = dict(zip(("input", "linear_weight", "target"), (x, *arguments), strict=True)) | tensors
    elif name == "nn.functional.cross_entropy":
        inputs = {"logits": x, "target": arguments[0]} | tensors
    else:
        inputs = {"logits": -x if "softmin" in name else x}
        options |= dict(zip(("dim", "keepdim"), arguments, strict=False))
    operation, arrays = _operation(name), {key: _array(each) for key, each in inputs.items()}
    shape = value_shape(Problem(operation, FORMATS[x.dtype], arrays, options))
    g = np.resize([1.0, -0.5, 2.0, 0.25, -1.5, 0.75, -1.0], shape) if 0 not in shape else np.zeros(shape)
    return Problem(operation, FORMATS[x.dtype], arrays, options, g)


def _operation(name: str) -> str:
    return name.removeprefix("nn.functional.").replace("softmin", "softmax")


# ---- who answers ----------------------------------------------------------------------------------------------------


def _by_torch(name: str, variant: str, sample: Any, problem: Problem) -> Result:
    """The answer of torch's own function to the sample, and its gradients there, after the cast if there is one."""
    call, first = _operator(name, variant).op, _cast(sample).requires_grad_()
    others = dict(zip(("linear_weight", "target") if name == LOSS else ("target",), sample.args, strict=False))
    leaves = {"logits": first, "input": first} | others | sample.kwargs
    names = gradient_names(problem)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of options that it passes over
        value = call(first, *sample.args, **sample.kwargs)
        assert torch.equal(value, call(sample.input, *sample.args, **sample.kwargs))
    g = torch.tensor(problem.grad_output).to(value.dtype)
    grads = torch.autograd.grad(value, [leaves[each] for each in names], g)
    sign = -1 if "softmin" in name else 1  # of the chain rule
    outputs = {"value": value} | {f"grad_{each}": sign * grad for each, grad in zip(names, grads, strict=True)}
    return Result({each: Output(_array(output), FORMATS[output.dtype]) for each, output in outputs.items()})


def _failures(name: str, variant: str, dtype: torch.dtype, who: Candidate | None) -> Iterator[str]:
    """What is said of each sample that is not answered as it should be."""
    for number, (sample, problem) in enumerate(_samples(name, variant, dtype)):
        model = "torch-cpu" if who is not MANUAL and problem.dtype in ("float16", "bfloat16") else None
        if who is None:
            verdict = judge_result(problem, _by_torch(name, variant, sample, problem), arithmetic=model)
        else:
            verdict = judge(who, problem, arithmetic=model)
        if not verdict.ok:
            yield f"sample {number}: {verdict}"


@pytest.mark.parametrize("who", [MANUAL, REFERENCE, None], ids=["manual", "reference", "torch"])
@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_every_sample_is_answered(name: str, variant: str, who: Candidate | None, thorough: bool) -> None:
    """Value and gradients of every sample agree with the truth: in float32, and in a thorough run in all formats."""
    operator = _operator(name, variant)
    held = ["float64", *(who.dtypes if who else FORMATS.values())]
    dtypes = [each for each in operator.dtypes if not each.is_complex and FORMATS.get(each, "float64") in held]
    dtypes = [each for each in dtypes if (name, each) not in WRAPS]
    for dtype in dtypes if thorough else [torch.float32]:
        count, failures = len(_samples(name, variant, dtype)), list(_failures(name, variant, dtype, who))
        print(f"{name} {variant} {dtype}: {count - len(failures)} of {count} samples answered")

        assert count
        assert not failures, failures


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_a_wrong_answer_to_a_sample_is_seen(name: str, variant: str) -> None:
    """The value of torch's own function, a thousandth larger where it is not 0, and a gradient of the other sign."""
    seen = dict.fromkeys(("value", "gradient"), 0)
    for sample, problem in _samples(name, variant, torch.float32)[:5]:
        found = _by_torch(name, variant, sample, problem).outputs
        for output in found:
            factor, kind = (1.001, "value") if output == "value" else (-1.0, "gradient")
            wrong = (found[output].values * factor).astype(np.float32).astype(np.float64)
            if np.array_equal(wrong, found[output].values, equal_nan=True):
                continue  # zeros, or nothing
            seen[kind] += 1
            assert not judge_result(problem, Result({**found, output: replace(found[output], values=wrong)})).ok

    assert all(seen.values()), seen


def _given(half: ModuleType, argument: Any) -> Any:
    """Tensors as what a half takes."""
    return argument.numpy() if half is manual and isinstance(argument, Tensor) else argument


@pytest.mark.parametrize(("name", "variant"), WITH_ERRORS)
def test_every_error_is_an_error(name: str, variant: str) -> None:
    """In both halves, and it names an argument."""
    errors = [each.sample_input for each in _operator(name, variant).error_inputs("cpu")]
    print(f"{name} {variant}: {len(errors)} samples of errors")

    assert errors
    for sample in errors:
        for half in (manual, reference):
            arguments = [_given(half, each) for each in (sample.input, *sample.args)]
            options = {key: _given(half, each) for key, each in sample.kwargs.items()}
            with pytest.raises((TypeError, ValueError, IndexError)) as error:
                half.linear_cross_entropy(*arguments, **options)
            assert ARGUMENTS.search(str(error.value))
