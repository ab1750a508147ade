"""Questions without sense: what a `Problem` does not hold, and what the judge does not ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from softproof import Problem

from ..helpers.candidates import MANUAL
from .inputs import LAYER, LOSS, ROW, Call, Table


def _judged(
    operation: str, inputs: dict[str, Any], options: dict[str, Any] | None = None, dtype: str = "float32", **more: Any
) -> Call:
    return lambda f: f.judge(MANUAL, Problem(operation, dtype, inputs, options, **more))


QUESTIONS: Table = {
    "gradients of what": (
        lambda f: f.Problem("softmax", "float32", ROW, gradients="logits"),
        TypeError,
        "gradients is 'logits'; expected a list of names such as ['logits']",
    ),
    "gradients of no input": (
        lambda f: f.judge(MANUAL, f.Problem("softmax", "float32", ROW, gradients=["x"])),
        ValueError,
        "gradients names x; softmax has those of logits",
    ),
    "inputs": (lambda f: f.Problem("softmax", "float32", [1.0]), TypeError, "inputs is a list; expected a mapping"),
    "options": (
        lambda f: f.Problem("softmax", "float32", ROW, [1]),
        TypeError,
        "options is a list; expected a mapping",
    ),
    "a tensor that NumPy does not have": (
        lambda f: f.Problem("softmax", "float32", {"logits": torch.ones(2, dtype=torch.bfloat16)}),
        TypeError,
        "logits is a Tensor; expected numbers that NumPy holds",
    ),
    "words": (
        lambda f: f.Problem("softmax", "float32", {"logits": ["a"]}),
        TypeError,
        "logits has dtype <U1; expected integers or floating-point numbers",
    ),
    "complex numbers": (
        lambda f: f.Problem("softmax", "float32", {"logits": [1j]}),
        TypeError,
        "logits has dtype complex128; expected integers or floating-point numbers",
    ),
    "a mask": (
        lambda f: f.Problem("softmax", "float32", {"logits": np.ma.masked_equal([0.0, 1.0], 1.0)}),
        TypeError,
        "logits is masked; expected numbers without a mask",
    ),
    "a layout that is no name": (
        lambda f: f.Problem("softmax", "float32", ROW, layout=3),
        TypeError,
        "layout is a int; expected a mapping from names",
    ),
    "layout of what is not there": (
        _judged("softmax", ROW, layout={"weight": "strided"}),
        ValueError,
        "layout names weight; the problem has logits",
    ),
    "features": (
        _judged("linear", {"input": [[1.0, 2.0]], "weight": [[1.0]]}),
        ValueError,
        "input has shape (1, 2) and weight (1, 1); expected (…, D) and (C, D)",
    ),
    "bias": (
        _judged("linear", {"input": [[1.0]], "weight": [[1.0]], "bias": [1.0, 2.0]}),
        ValueError,
        "bias has shape (2,); one for each class is (1,)",
    ),
    "p and q": (
        _judged("kl_divergence", {"p": [1.0], "q": [0.5, 0.5]}, {"dim": 0}),
        ValueError,
        "q has shape (2,); p has (1,)",
    ),
    "labels of a classifier": (
        _judged("linear_cross_entropy", LAYER | {"target": [0, 0]}),
        ValueError,
        "target has shape (2,); input (1, 2) wants (1,)",
    ),
    "class weights": (
        _judged("cross_entropy", LOSS | {"weight": [1.0]}),
        ValueError,
        "weight has shape (1,); one for each class is (2,)",
    ),
    "many positions without a batch": (
        _judged("linear_cross_entropy", {"input": [1.0], "linear_weight": [[[1.0]]], "target": 0}),
        ValueError,
        "input has shape (1,); expected (N, D), since linear_weight has shape (1, 1, 1)",
    ),
    "dim": (_judged("softmax", ROW, {"dim": "x"}), TypeError, "dim is 'x'; expected an integer"),
    "a number": (_judged("entropy", {"p": 1.0}), IndexError, "dim is -1; p of shape () has dims"),
    "dim of a number": (_judged("softmax", {"logits": 1.0}, {"dim": 1}), IndexError, "dim is 1; logits of shape ()"),
    "several dims": (_judged("softmax", {"logits": np.zeros((2, 2))}, {"dim": (0, 1)}), TypeError, "dim is (0, 1)"),
    "a dim twice": (
        _judged("logsumexp", {"logits": np.zeros((2, 2))}, {"dim": (0, -2)}),
        ValueError,
        "dim is (0, -2); expected at least one, and each once",
    ),
    "one dim too large": (_judged("logsumexp", {"logits": [0.0]}, {"dim": (0, 1)}), IndexError, "dim is (0, 1)"),
    "keepdim": (_judged("logsumexp", {"logits": [0.0]}, {"keepdim": 1}), TypeError, "keepdim is 1; expected True"),
    "no classes": (
        _judged("cross_entropy", {"logits": np.zeros((2, 0)), "target": [0, 0]}),
        ValueError,
        "logits of shape (2, 0) has no elements along dim 1; expected at least one",
    ),
    "ignore_index": (_judged("cross_entropy", LOSS, {"ignore_index": 1.5}), TypeError, "ignore_index is 1.5; expected"),
    "smoothing": (
        _judged("cross_entropy", LOSS, {"label_smoothing": "x"}),
        TypeError,
        "label_smoothing is 'x'; expected a number from 0 to 1",
    ),
    "reduction": (
        _judged("cross_entropy", LOSS, {"reduction": "avg"}),
        ValueError,
        "reduction is 'avg'; expected mean, sum or none",
    ),
    "operation": (_judged("argmax", {}), ValueError, "operation is 'argmax'; expected one of softmax"),
    "dtype": (_judged("softmax", {}, dtype="int8"), ValueError, "dtype is 'int8'; expected one of float64"),
    "missing input": (_judged("softmax", {}), TypeError, "softmax needs logits; missing logits"),
    "not representable": (
        _judged("softmax", {"logits": [0.1]}),
        ValueError,
        "logits holds 0.1, which is not a float32 number",
    ),
    "no such option": (
        _judged("softmax", {"logits": [1.0]}, {"axis": 0}),
        TypeError,
        "softmax has no axis; it has logits, dim",
    ),
    "layout": (
        _judged("softmax", {"logits": [1.0]}, layout="upside down"),
        ValueError,
        "layout of logits is 'upside down'; expected one of contiguous",
    ),
    "upstream": (
        _judged("softmax", {"logits": [1.0]}, grad_output=[1.0, 2.0]),
        ValueError,
        "grad_output has shape (2,); the value of softmax has (1,)",
    ),
    "label": (
        _judged("cross_entropy", LOSS | {"target": [-1]}),
        IndexError,
        "target holds -1; expected labels from 0 to 1, or -100",
    ),
    "smoothing above 1": (
        _judged("cross_entropy", LOSS, {"label_smoothing": 1.5}),
        ValueError,
        "label_smoothing is 1.5; expected a number from 0 to 1",
    ),
    "infinite weight": (
        _judged("cross_entropy", {"logits": [[0.0]], "target": [0], "weight": [np.inf]}),
        ValueError,
        "weight holds inf; expected finite numbers",
    ),
    "tangent of what takes none": (
        _judged("linear", {"input": [1.0], "weight": [[1.0]]}, tangent=[1.0]),
        TypeError,
        "linear takes no tangent; softmax, log_softmax, logsumexp, cross_entropy do",
    ),
    "tangent shape": (
        _judged("softmax", {"logits": [1.0]}, tangent=[[1.0]]),
        ValueError,
        "tangent has shape (1, 1); the logits have (1,)",
    ),
    "tangent not finite": (
        _judged("softmax", {"logits": [1.0]}, tangent=[np.inf]),
        ValueError,
        "tangent holds inf; expected finite numbers",
    ),
    "tangent not representable": (
        _judged("softmax", {"logits": [1.0]}, tangent=[0.1]),
        ValueError,
        "tangent holds 0.1, which is not a float32 number",
    ),
}
