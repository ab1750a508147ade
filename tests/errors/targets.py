"""What cannot be loaded, verified, graded or drawn."""

from __future__ import annotations

from typing import Any

from .inputs import Call, Table


def _verified(**arguments: Any) -> Call:
    return lambda f: f.verify("manual", **arguments)


TARGETS: Table = {
    "no module": (lambda f: f.load("nowhere"), ValueError, "target 'nowhere': there is no module 'nowhere'"),
    "no target": (lambda f: f.load(3), TypeError, "target is a int; expected a module, a callable, or the name of one"),
    "interface": (
        lambda f: f.load("manual", adapter="numpy", **vars(f.Interface(names={"x": "y"}))),
        ValueError,
        "names names x; manual has",
    ),
    "ten to the ninth dimensions": (
        lambda f: f.load("manual:softmax", ndim=[10**9]),
        ValueError,
        "ndim is 1000000000; expected a whole number from 0 to 5",
    ),
    "verify what": (
        lambda f: f.verify("manual", without=["x"]),
        ValueError,
        "without names x; expected some of all_ignored, bias, dim",
    ),
    "negative": (
        lambda f: f.load("manual:softmax", negative="yes"),
        TypeError,
        "negative is 'yes'; expected True or False",
    ),
    "gradients of no result": (
        lambda f: f.load("manual:softmax", gradients={"logits": "1"}),
        TypeError,
        "gradients of logits is '1'; expected a whole number, which counts results from 0",
    ),
    "gradients of an input that is none": (
        lambda f: f.load("manual:softmax", adapter="numpy", gradients={"x": 1}),
        ValueError,
        "gradients names x; manual:softmax has logits",
    ),
    "gradients in the place of the value": (
        lambda f: f.load("manual:softmax", gradients={"logits": 1}, output=1),
        ValueError,
        "gradients is {'logits': 1}, and output 1; expected another result for each",
    ),
    "gradients of a model": (
        lambda f: f.load("model.onnx", operation="softmax", gradients={"logits": 1}),
        ValueError,
        "gradients is {'logits': 1}; expected none, of a model or a program",
    ),
    "a conformance test": (
        lambda f: f.conformance("manual:softmax", devices=["gpx"]),
        ValueError,
        "devices has 'gpx'; expected cpu, or one of cuda",
    ),
    "a database": (
        lambda f: f.database("ftp://x"),
        ValueError,
        "database is 'ftp://x'; expected a folder, redis://host:port/number, or github:owner/repository",
    ),
    "large problems of nothing": (
        lambda f: f.large_problems("argmax", "float32"),
        ValueError,
        "operation is 'argmax'; expected one of softmax",
    ),
    "large problems in no format": (
        lambda f: f.large_problems("softmax", "float8"),
        ValueError,
        "dtype is 'float8'; expected one of float64",
    ),
    "rows that no index counts": (
        lambda f: f.repeated_rows("softmax", "float32", index="int64"),
        ValueError,
        "index is 'int64'; expected one of float32, int32",
    ),
    "no operation to draw": (lambda f: f.problems("argmax", "float32"), ValueError, "operation is 'argmax'; expected"),
    "no layout to draw": (
        lambda f: f.problems("softmax", "float32", layouts=["x"]),
        ValueError,
        "layouts names x; expected some of contiguous",
    ),
    "no format to draw": (
        lambda f: f.problems("softmax", "float8"),
        ValueError,
        "dtype is 'float8'; expected one of float64",
    ),
    "an option that nobody can support": (
        lambda f: f.problems("softmax", "float32", supports=frozenset({"axis"})),
        ValueError,
        "supports names axis; softmax has dim",
    ),
    "verify no operation": (
        _verified(operation="argmax"),
        ValueError,
        "operation is 'argmax'; expected one of softmax",
    ),
    "verify by no adapter": (_verified(adapter="mlx"), ValueError, "adapter is 'mlx'; expected one of numpy, torch"),
    "verify on no device": (
        _verified(device="cuda"),
        ValueError,
        "device is 'cuda'; the numpy adapter has cpu only",
    ),
    "verify one dtype": (
        _verified(dtypes="float32"),
        TypeError,
        "dtypes is 'float32'; expected a list of names such as ['float32']",
    ),
    "verify in no format": (
        _verified(dtypes=["float8"]),
        ValueError,
        "dtype is 'float8'; expected one of float64",
    ),
    "verify without a format": (_verified(dtypes=[]), ValueError, "dtypes is []; expected at least one name"),
    "verify by no example": (
        _verified(examples=0),
        ValueError,
        "examples is 0; expected a whole number of at least 1",
    ),
    "verify by half an example": (
        _verified(examples=2.5),
        ValueError,
        "examples is 2.5; expected a whole number of at least 1",
    ),
    "verify by the seed x": (_verified(seed="x"), TypeError, "seed is 'x'; expected a whole number or None"),
    "a bank of 3": (lambda f: f.bank(3), TypeError, "bank is a int; expected the name of a file"),
    "grade by no bank": (
        lambda f: f.grade("manual", 3),
        TypeError,
        "bank is a int; expected a softproof.Bank, or the name of its file",
    ),
}
