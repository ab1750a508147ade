"""The public suites that are rebuilt, each with the date of the version that was read.

Shapes are as published unless the record says otherwise. A large batch of which every row is alike is asked as some
rows of it: where the mean divides by their number gradients are larger, and the absolute tolerance grows alike.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from .inputs import ignored_rows
from .record import Mutant
from .suites import Suite, SuiteQuestion, kills, questions_about

HALF = ("float16", "bfloat16")
ALL = ("float32", *HALF)
REDUCTIONS = ("mean", "sum", "none")
OF_LOGITS = ("softmax", "log_softmax", "logsumexp")


# ---- FlashAttention -------------------------------------------------------------------------------------------------


def _flash_attention() -> tuple[SuiteQuestion, ...]:
    questions = []
    for dtype, smoothing in product(ALL, (0.0, 0.9)):
        half = dtype != "float32"
        questions.append(SuiteQuestion(
            "cross_entropy", (8, 50257), 1e-5, 1e-6, dtype, ignored=1 / 8, options={"label_smoothing": smoothing},
            upstream="normal", share=8 / (16384 if half else 4096), grad=(1e-3, 1e-4) if half else (1e-5, 1e-6),
            reference="float32", comparison="allclose",
        ))  # fmt: skip
    return tuple(questions)


FLASH_ATTENTION = Suite(
    "flash-attention, cross-entropy",
    "Dao-AILab/flash-attention tests/losses/test_cross_entropy.py (2026-08-15)",
    inputs="normal logits of 50257 classes; float32, float16, bfloat16; mean; smoothing 0 and 0.9; ignored rows",
    upstream="one normal number",
    tolerance="loss rtol 1e-5, atol 1e-6; gradient 1e-3, 1e-4 in half precision, 1e-5, 1e-6 in float32",
    left_out="8 rows in place of 4096 (float32) and 16384, 1 of them ignored in place of 10; 128256 classes; logit "
    "scale, z-loss, stored logsumexp and writing in place, which have no counterpart here; the loss in half precision "
    "is rounded to it, as here",
    questions=_flash_attention(),
)


# ---- quack ----------------------------------------------------------------------------------------------------------

_QUACK_SHAPES = ((1, 192), (199, 192), (199, 1024), (37, 4096), (8, 32768), (1, 262144))
_QUACK_TOLERANCES = {"float32": 1e-4, "float16": 1e-3, "bfloat16": 1e-2}


def _quack_softmax() -> tuple[SuiteQuestion, ...]:
    questions = []
    for (dtype, tolerance), shape in product(_QUACK_TOLERANCES.items(), _QUACK_SHAPES):
        questions.append(SuiteQuestion(
            "softmax", shape, tolerance, tolerance, dtype, "0.1 normal", options={"dim": -1}, upstream="normal",
            probabilities=True,
        ))  # fmt: skip
    for dtype, (draw, tolerance) in product(
        ("float32", "float16"), (("10", 1e-3), ("-10", 1e-3), ("10 and -10", 1e-2))
    ):
        questions.append(SuiteQuestion(
            "softmax", (16, 1024), tolerance, tolerance, dtype, draw, options={"dim": -1}, upstream="none"
        ))  # fmt: skip
    questions.append(SuiteQuestion("softmax", (8, 512), 1e-6, 1e-6, options={"dim": -1}, against="itself, 100 higher"))
    return tuple(questions)


def _quack_cross_entropy() -> tuple[SuiteQuestion, ...]:
    questions = []
    for dtype, shape, weight, ignored in product(
        ALL, ((1, 668), (289, 192), (289, 1128), (8, 32768)), ("", "uniform and 0.1"), (0.0, 0.3)
    ):
        questions.append(SuiteQuestion(
            "cross_entropy", shape, 1e-5, 5e-5, dtype, "0.1 normal", ignored=ignored, weight=weight,
            options={"reduction": "none"}, upstream="normal", reference="float32",
        ))  # fmt: skip
    equal = (SuiteQuestion("cross_entropy", (16, 1024), 1e-2, 1e-2, "float32", draw, options={"reduction": "none"},
                           upstream="none") for draw in ("10", "-10"))  # fmt: skip
    return (*questions, *equal)


def _quack_linear() -> tuple[SuiteQuestion, ...]:
    return tuple(
        SuiteQuestion(
            "linear_cross_entropy", (rows, 512, 1536), 3.0, 1e-5, "bfloat16", "0.1 normal and of length 1",
            ignored=0.15, options={"reduction": reduction}, grad=(2.0, 1e-4), reference="float32",
            comparison="largest error of a baseline",
        )
        for rows, reduction in product((128, 600), ("mean", "sum"))
    )  # fmt: skip


QUACK = (
    Suite(
        "quack, softmax",
        "Dao-AILab/quack tests/test_softmax.py (2026-08-20)",
        inputs="0.1 times normal logits of 192 to 262144 classes; all 10, all -10, one 10 among -10; float32, "
        "float16, bfloat16",
        upstream="normal",
        tolerance="rtol = atol = 1e-4 in float32, 1e-3 in float16, 1e-2 in bfloat16; rows sum to 1 within 1e-4 twice; "
        "the same 100 higher within 1e-6",
        left_out="some widths between those here; 37 or 8 rows in place of 199 from 4096 classes on",
        questions=_quack_softmax(),
    ),
    Suite(
        "quack, cross-entropy",
        "Dao-AILab/quack tests/test_cross_entropy.py (2026-08-20)",
        inputs="0.1 times normal logits of 192 to 32768 classes; float32, float16, bfloat16; no reduction; class "
        "weights; 30 % ignored; all 10, all -10",
        upstream="normal",
        tolerance="rtol 1e-5, atol 5e-5 of float32, rounded to the dtype of the logits",
        left_out="wider rows, and 8 rows in place of 289 at 32768 classes; the stored part of a logsumexp; class "
        "weights are in the dtype of the logits, and losses, which are float32 there",
        questions=_quack_cross_entropy(),
    ),
    Suite(
        "quack, linear cross-entropy",
        "Dao-AILab/quack tests/test_linear_cross_entropy.py (2026-08-20)",
        inputs="0.1 times normal inputs of 512 features, a normal weight of 1536 rows of length 1; bfloat16; mean and "
        "sum; 15 % ignored",
        upstream="ones",
        tolerance="largest error below 3 times that of bfloat16 and 1e-5; of gradients below 2 times and 1e-4",
        left_out="32000 classes and more; 1024 rows; a batch of two dimensions",
        questions=_quack_linear(),
    ),
)


# ---- Liger ----------------------------------------------------------------------------------------------------------

_LIGER_CLOSE = {"float32": 1e-6, "bfloat16": 5e-2}
_LIGER_OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"ignored": 0.3, "options": {"ignore_index": 2}},
    {"ignored": 0.3, "options": {"ignore_index": -123}},
    {"weight": "uniform"},
)
_LIGER_SMOOTHED: tuple[dict[str, Any], ...] = (
    {"options": {"label_smoothing": 0.1}},
    {"ignored": 0.3, "options": {"label_smoothing": 0.1, "ignore_index": 1}},
    {"ignored": 0.3, "options": {"label_smoothing": 0.2, "ignore_index": -300}},
)


def _liger_question(dtype: str, rtol: float, reduction: str, more: dict[str, Any]) -> SuiteQuestion:
    options = {"reduction": reduction, **more.get("options", {})}
    share = 4 / 8192 if reduction == "mean" else 1.0
    return SuiteQuestion("cross_entropy", (4, 32000), rtol, 1e-8, dtype, share=share, reference="float32",
                         comparison="allclose", **(more | {"options": options}))  # fmt: skip


def _liger_cross_entropy() -> tuple[SuiteQuestion, ...]:
    questions = []
    for dtype, rtol in _LIGER_CLOSE.items():
        questions += [_liger_question(dtype, rtol, *each) for each in product(REDUCTIONS, _LIGER_OPTIONS)]
        questions += [_liger_question(dtype, rtol, "mean", more) for more in _LIGER_SMOOTHED]
        for shape in ((4, 8), (63, 41)):
            questions.append(SuiteQuestion("cross_entropy", shape, rtol, 1e-8, dtype, comparison="allclose"))
    return tuple(questions)


_LIGER_LINEAR = (("mean", "bfloat16", 5e-2, 5e-3), ("mean", "float32", 5e-4, 1e-5),
                 ("sum", "bfloat16", 5e1, 5e-0), ("sum", "float32", 5e-2, 1e-3))  # fmt: skip


def _liger_linear() -> tuple[SuiteQuestion, ...]:
    questions = []
    plain: dict[str, Any] = {}
    other = {"weight": "uniform", "options": {"label_smoothing": 0.1, "ignore_index": 42}}
    for (reduction, dtype, rtol, atol), bias, more in product(_LIGER_LINEAR, ("", "uniform"), (plain, other)):
        options = {"reduction": reduction, **more.get("options", {})}
        questions.append(SuiteQuestion(
            "linear_cross_entropy", (188, 31, 123), rtol, atol, dtype, "normal and uniform", ignored=0.25, bias=bias,
            comparison="relative to what is judged", **(more | {"options": options}),
        ))  # fmt: skip
    for reduction, dtype, rtol, atol in _LIGER_LINEAR:
        questions.append(SuiteQuestion(
            "linear_cross_entropy", (64, 256, 4096), rtol, atol, dtype, "normal and uniform", ignored=0.25,
            options={"reduction": reduction}, share=64 / 1024 if reduction == "mean" else 1.0,
            comparison="relative to what is judged",
        ))  # fmt: skip
    return tuple(questions)


def _liger_softmax() -> tuple[SuiteQuestion, ...]:
    shapes = ((2, 8), (4, 16), (1, 1023), (3, 7, 256), (1, 4096), (1, 2, 4096))
    return tuple(
        SuiteQuestion("softmax", shape, tolerance, tolerance, dtype, options={"dim": -1}, upstream="normal",
                      comparison="relative to what is judged")
        for (dtype, tolerance), shape in product((("float32", 1e-5), ("bfloat16", 5e-2)), shapes)
    )  # fmt: skip


LIGER = (
    Suite(
        "Liger, cross-entropy",
        "linkedin/Liger-Kernel test/transformers/test_cross_entropy.py (2026-08-21)",
        inputs="normal logits of 32000 classes, and of 8 and 41; float32 and bfloat16; each reduction; ignored rows "
        "with an ignore_index of 2 and -123; class weights; smoothing 0.1, and 0.1 and 0.2 with ignored rows",
        upstream="ones",
        tolerance="rtol 1e-6 in float32, 5e-2 in bfloat16, atol 1e-8",
        left_out="4 rows in place of 8192 and 1269; softcap and z-loss, which have no counterpart here; losses that "
        "are multiplied by 3 afterwards; labels out of bounds; the reference is in float32 and rounded: that of torch "
        "on a CPU in bfloat16 is farther from it than 5e-2",
        questions=_liger_cross_entropy(),
    ),
    Suite(
        "Liger, linear cross-entropy",
        "linkedin/Liger-Kernel test/transformers/test_fused_linear_cross_entropy.py (2026-08-21)",
        inputs="normal inputs, a uniform weight of 123 classes and 31 features, and of 4096 and 256; float32 and "
        "bfloat16; mean and sum; a bias; 25 % ignored; class weights, smoothing and ignore_index at once",
        upstream="ones",
        tolerance="of the answer that is judged: mean rtol 5e-4, atol 1e-5 in float32, 5e-2, 5e-3 in bfloat16; sum "
        "5e-2, 1e-3 in float32, 50, 5 in bfloat16",
        left_out="64 rows and 256 features in place of 1024 and 1024 beside 4096 classes; softcap and z-loss, which "
        "have no counterpart here; a random share of ignored rows, up to a half",
        questions=_liger_linear(),
    ),
    Suite(
        "Liger, softmax",
        "linkedin/Liger-Kernel test/transformers/test_softmax.py (2026-08-21)",
        inputs="normal logits of 8 to 4096 classes, in two and three dimensions; float32 and bfloat16",
        upstream="normal",
        tolerance="rtol = atol = 1e-5 in float32, 5e-2 in bfloat16, of the answer that is judged",
        left_out="nothing",
        questions=_liger_softmax(),
    ),
)


# ---- Cut Cross-Entropy ----------------------------------------------------------------------------------------------

_CCE = {"float32": (1e-5, 5e-4), "float16": (1e-3, 1e-3), "bfloat16": (1e-2, 1e-2)}  # forward and backward


def _cut_cross_entropy() -> tuple[SuiteQuestion, ...]:
    questions = []
    for (dtype, (forward, backward)), shape, bias, ignored, reduction in product(
        _CCE.items(), ((256, 128, 512), (252, 123, 507)), ("", "0.02 normal"), (0.0, 0.2), REDUCTIONS
    ):
        rows = shape[0] - ignored_rows(ignored, shape[0])
        questions.append(SuiteQuestion(
            "linear_cross_entropy", shape, 0.0, forward if reduction == "none" else backward, dtype, "correlated",
            ignored=ignored, bias=bias, options={"reduction": reduction},
            upstream="of a mean" if reduction == "none" else "of a sum",
            scale=1 / rows if reduction == "sum" else 1.0, grad=(0.0, backward), reference="float32",
            comparison="no worse than a baseline",
        ))  # fmt: skip
    return tuple(questions)


CUT_CROSS_ENTROPY = Suite(
    "Apple, cut cross-entropy",
    "apple/ml-cross-entropy tests/test_cce_loss_forward.py and test_cce_loss_backward.py (2025-06-26)",
    inputs="256 inputs of length 1 and 128 features, a normal weight of 512 classes whose first half of rows are "
    "inputs; 252, 123 and 507 as well; float32, float16, bfloat16; each reduction; a bias; 20 % ignored",
    upstream="of a mean over rows",
    tolerance="the error of the same in the dtype of the question, and 1e-5, 1e-3, 1e-2 for losses, 5e-4, 1e-3, 1e-2 "
    "for gradients",
    left_out="252 rows with 128 features; softcap, shift and z-loss, which have no counterpart here; the value of sum "
    "and mean, which is not compared there, within the tolerance of gradients",
    questions=_cut_cross_entropy(),
)


# ---- FlagGems -------------------------------------------------------------------------------------------------------

_RESOLUTION = {"float32": 1.3e-6, "float16": 1e-3, "bfloat16": 0.016}
_FLAG_GEMS: tuple[tuple[float, int, tuple[int, ...], float], ...] = (
    (0.0, 1, (1, 2), 1.0), (0.1, 200, (128, 256), 1 / 32), (1.0, -100, (2, 40999, 3), 2 / 200))  # fmt: skip


def _flag_gems_losses() -> tuple[SuiteQuestion, ...]:
    questions = []
    for (dtype, rtol), reduction, weight, (smoothing, index, shape, share) in product(
        _RESOLUTION.items(), REDUCTIONS, ("", "normal"), _FLAG_GEMS
    ):
        atol, part = 1e-4 * shape[1], share if reduction == "mean" else 1.0
        options = {"reduction": reduction, "label_smoothing": smoothing}
        questions.append(SuiteQuestion(
            "cross_entropy", shape, rtol, atol, dtype, target="labels but the last", weight=weight, upstream="normal",
            options=options | {"ignore_index": index}, share=part, reference="float64",
        ))  # fmt: skip
        if weight:
            options = {"reduction": reduction, "label_smoothing": 1.0 - smoothing if smoothing != 0.1 else smoothing}
            questions.append(SuiteQuestion(
                "cross_entropy", shape, rtol, atol, dtype, target="normal", weight=weight, upstream="normal",
                options=options, share=part, reference="float64",
            ))  # fmt: skip
    return tuple(questions)


def _flag_gems_softmax() -> tuple[SuiteQuestion, ...]:
    questions = []
    for (dtype, rtol), shape, dim, draw in product(
        _RESOLUTION.items(), ((1, 256), (128, 256), (5, 2560, 3)), (0, 1), ("normal", "normal, -inf below 0")
    ):
        questions.append(SuiteQuestion("softmax", shape, rtol, 1e-4, dtype, draw, options={"dim": dim}, upstream="none",
                                       reference="float64", comparison="close or NaN"))  # fmt: skip
    for (dtype, rtol), shape in product(_RESOLUTION.items(), ((1, 2), (128, 256), (2, 40999, 3))):
        questions.append(SuiteQuestion("log_softmax", shape, rtol, 1e-4, dtype, options={"dim": 1}, upstream="none",
                                       reference="float64"))  # fmt: skip
    return tuple(questions)


FLAG_GEMS = (
    Suite(
        "FlagGems, cross-entropy",
        "FlagOpen/FlagGems tests/test_reduction_ops.py, src/flag_gems/testing/__init__.py (2025-11-21)",
        inputs="normal logits of 2, 256 and 40999 classes; float32, float16, bfloat16; each reduction; normal class "
        "weights; smoothing 0, 0.1 and 1 with an ignore_index of 1, 200 and -100; normal numbers as probabilities",
        upstream="normal",
        tolerance="atol 1e-4 times the number of classes; rtol 1.3e-6, 1e-3, 0.016; of float64",
        left_out="128 rows in place of 4096, and 2 in place of 200",
        questions=_flag_gems_losses(),
    ),
    Suite(
        "FlagGems, softmax and log-softmax",
        "FlagOpen/FlagGems tests/test_reduction_ops.py, src/flag_gems/testing/__init__.py (2025-11-21)",
        inputs="normal logits of 256 and 2560 classes along the first axis and the second, all those below 0 masked "
        "as well; for log-softmax of 2, 256 and 40999; float32, float16, bfloat16",
        upstream="none: the backward passes are asked about random numbers that are no softmax",
        tolerance="atol 1e-4; rtol 1.3e-6, 1e-3, 0.016; of float64; NaN agrees with NaN",
        left_out="128 rows in place of 4096, and 5 and 2 in place of 200; the backward passes",
        questions=_flag_gems_softmax(),
    ),
)


# ---- TransformerEngine ----------------------------------------------------------------------------------------------


def _transformer_engine() -> tuple[SuiteQuestion, ...]:
    questions = []
    for dtype, rtol, smoothing, reduction, ignored in (
        ("float32", 1.3e-6, 0.0, "mean", 0.0),
        ("bfloat16", 1.6e-2, 0.0, "mean", 0.0),
        ("float32", 1.3e-6, 0.1, "mean", 0.0),
        ("float32", 1.3e-6, 0.0, "none", 0.0),
        ("float32", 1.3e-6, 0.0, "none", 0.25),
        ("float32", 1.3e-6, 0.0, "mean", 0.25),
    ):
        questions.append(SuiteQuestion(
            "cross_entropy", (4, 64000), rtol, 1e-5, dtype, "uniform", ignored=ignored, upstream="of the squares",
            options={"reduction": reduction, "label_smoothing": smoothing},
            share=4 / 64 if reduction == "mean" else 1.0,
        ))  # fmt: skip
    questions.append(SuiteQuestion("cross_entropy", (8, 8), 1e-5, 1e-8, options={"reduction": "none"}, upstream="none",
                                   comparison="allclose"))  # fmt: skip
    return tuple(questions)


TRANSFORMER_ENGINE = Suite(
    "TransformerEngine, cross-entropy",
    "NVIDIA/TransformerEngine tests/pytorch/test_parallel_cross_entropy.py (2026)",
    inputs="uniform logits in [0, 1) of 64000 classes; float32 and bfloat16; mean and none; smoothing 0.1; ignored "
    "rows",
    upstream="of the sum of squared losses",
    tolerance="atol 1e-5; rtol 1.3e-6 in float32, 1.6e-2 in bfloat16",
    left_out="4 rows in place of 64 to 256, 1 of them ignored in place of 5; 128000 classes; z-loss and the logsumexp "
    "that is given back, which have no counterpart here; logits of other strides",
    questions=_transformer_engine(),
)


# ---- JAX ------------------------------------------------------------------------------------------------------------

JAX = Suite(
    "JAX, softmax",
    "jax-ml/jax tests/nn_test.py testSoftmaxGrad, jax/_src/public_test_util.py (2025)",
    inputs="5.5, 1.3, -4.2 and 0.9; float32",
    upstream="one normal cotangent along one normal direction",
    tolerance="atol 5e-3, rtol 2e-3 beside a central difference of step 1e-4",
    left_out="the forward mode and the second order, which the mutants refuse",
    questions=(
        SuiteQuestion("softmax", (4,), 2e-3, 5e-3, draw="four numbers", options={"dim": -1}, against="one difference"),
    ),
)


# ---- tinygrad -------------------------------------------------------------------------------------------------------


def _tinygrad() -> tuple[SuiteQuestion, ...]:
    questions = []
    shapes = (((45,), 0), ((10, 10, 10), 0), ((10, 10, 10), 1), ((10, 10, 10), 2))
    asked = [
        ("softmax", (45, 65), 1),
        *((each, *case) for each, case in product(("softmax", "log_softmax"), shapes)),
    ]
    for operation, shape, dim in asked:
        grad = (1e-3, 2e-7 if operation == "softmax" and len(shape) == 3 else 1e-7)
        questions.append(SuiteQuestion(operation, shape, 1e-3, 1e-7, draw="uniform to 2", options={"dim": dim},
                                       upstream="of a sum", grad=grad))  # fmt: skip
    for shape, dim in (((45, 65), 0), ((45, 65), 1), ((6, 6, 6), 2), ((6, 6, 6, 6), 2), ((6, 6, 6, 6), 3), ((45,), 0)):
        questions.append(SuiteQuestion("logsumexp", shape, 1e-3, 1e-7, draw="uniform to 2", options={"dim": dim},
                                       upstream="of a sum"))  # fmt: skip
    return (*questions, *_tinygrad_losses())


def _tinygrad_losses() -> tuple[SuiteQuestion, ...]:
    asked: list[tuple[tuple[int, ...], str, float, dict[str, Any]]] = [
        (shape, "uniform to 2", 0.0, {}) for shape in ((32,), (32, 10), (32, 4, 4, 4))
    ]
    asked += [((32, 10), "uniform to 2", 0.0, {"reduction": reduction}) for reduction in REDUCTIONS]
    for target, smoothing in product(("uniform to 2", "labels"), (0.0, 0.3, 0.7, 1.0)):
        asked.append(((32, 10), target, 0.0, {"label_smoothing": smoothing}))
    asked += [((12, 10), "labels", 0.0, {}), ((3, 10, 12), "labels", 0.0, {})]
    asked.append(((12, 10), "labels", 1 / 12, {"ignore_index": 3, "label_smoothing": 0.3}))
    return tuple(
        SuiteQuestion("cross_entropy", shape, 1e-3, 1e-6, draw="uniform to 2", target=target, ignored=ignored,
                      options=options, upstream="of a sum", grad=(1e-3, 1e-4))
        for shape, target, ignored, options in asked
    )  # fmt: skip


TINYGRAD = Suite(
    "tinygrad",
    "tinygrad/tinygrad test/backend/test_ops.py (2026-08-22)",
    inputs="logits uniform in [-2, 2): softmax, log-softmax and logsumexp of up to 65 classes along each axis, losses "
    "of 10 classes with labels, with uniform numbers as probabilities, each reduction, smoothing 0, 0.3, 0.7, 1, an "
    "ignored label; float32",
    upstream="of a sum: for softmax the gradient is 0, whatever the logits are",
    tolerance="rtol 1e-3; atol 1e-7 for softmax and its relatives (gradients 1e-7, 2e-7), 1e-6 for losses (gradients "
    "1e-4)",
    left_out="numbers without a dimension; kept dimensions; what has to raise; log-softmax (45, 65), where a "
    "tolerance of 1e-7 rejects the gradient of a right implementation that adds in another order",
    questions=_tinygrad(),
)


# ---- numpy-ml -------------------------------------------------------------------------------------------------------


def _numpy_ml() -> tuple[SuiteQuestion, ...]:
    sizes = (1, 2, 7, 20, 33, 49)
    questions = [
        SuiteQuestion("softmax", (rows, classes), 0.0, 1.5e-3, "float64", "standardised", options={"dim": 1},
                      upstream="of a sum")
        for rows, classes in product((1, 2), sizes)
    ]  # fmt: skip
    questions += [
        SuiteQuestion("softmax", (1, classes), 0.0, 1.5e-7, "float64", "shares", options={"dim": 1}, upstream="none")
        for classes in (*sizes, 99)
    ]
    questions += [
        SuiteQuestion("cross_entropy", (rows, classes), 0.0, 1e6, "float64", "whole to 300",
                      options={"reduction": "sum"}, grad=(0.0, 1.5e-5))
        for rows, classes in ((1, 2), (17, 5), (130, 40), (500, 99), (999, 3))
    ]  # fmt: skip
    return tuple(questions)


NUMPY_ML = Suite(
    "numpy-ml",
    "ddbourgin/numpy-ml numpy_ml/tests/test_nn.py, numpy_ml/utils/testing.py (2022-01-08)",
    inputs="softmax of shares that sum to 1, and of columns of mean 0 and standard deviation 1, up to 99 classes; "
    "losses of logits from -300 to 300, up to 99 classes and 999 rows, summed; float64",
    upstream="of a sum: for softmax the gradient is 0, whatever the logits are; ones for the loss",
    tolerance="1.5e-7 for softmax, 1.5e-3 for its gradient, 1.5e-5 for the gradient of the loss",
    left_out="sizes are chosen here and random there, 14 or 15 of each; the value of the loss, which is asked of "
    "probabilities there, within 10⁶; the reference is in float64, not in float32",
    questions=_numpy_ml(),
)


# ---- ONNX -----------------------------------------------------------------------------------------------------------


def _onnx_softmax() -> list[SuiteQuestion]:
    questions = []
    asked: list[tuple[str, tuple[int, ...], int]] = [("-1, 0, 1", (1, 3), -1), ("steps", (2, 4), -1)]
    asked += [("magnitude of a normal", (3, 4, 5), dim) for dim in (0, 1, 2, -1)]
    for operation, (draw, shape, dim) in product(("softmax", "log_softmax"), asked):
        questions.append(SuiteQuestion(operation, shape, 1e-3, 1e-7, draw=draw, options={"dim": dim}, upstream="none"))
    return questions


def _onnx() -> tuple[SuiteQuestion, ...]:
    asked: list[tuple[tuple[int, ...], str, float, dict[str, Any]]] = []
    for reduction, weight in product(REDUCTIONS, ("", "five weights")):
        asked.append(((3, 5), weight, 0.0, {"reduction": reduction}))
    for shape, weight in product(((3, 5), (3, 5, 2), (3, 5, 2, 7)), ("", "five weights")):
        asked.append((shape, weight, 1 / 3, {"ignore_index": 2}))
    asked += [
        ((3, 5, 6), "", 1 / 18, {"ignore_index": -1}),
        ((3, 5, 2), "", 0.0, {}),
        ((3, 5, 2, 7, 3), "", 0.0, {}),
    ]
    losses = [
        SuiteQuestion("cross_entropy", shape, 1e-3, 1e-7, draw="uniform", ignored=ignored, weight=weight,
                      options=options, upstream="none")
        for shape, weight, ignored, options in asked
    ]  # fmt: skip
    return (*_onnx_softmax(), *losses)


ONNX = Suite(
    "ONNX backend tests",
    "onnx/onnx onnx/backend/test/case/node/softmax.py, logsoftmax.py, softmaxcrossentropy.py (2020)",
    inputs="softmax and log-softmax of -1, 0, 1, of 0 to 3 and 10000 to 10003, of magnitudes of normal numbers (3, 4, "
    "5) along each axis; losses of uniform logits of 5 classes, each reduction, class weights, ignored labels, up to "
    "three further dimensions; float32",
    upstream="none: values alone",
    tolerance="rtol 1e-3, atol 1e-7",
    left_out="nll_loss; the log-probabilities that come with a loss; one set of weights for two; softmax along all "
    "axes from one on, as old versions have it",
    questions=_onnx(),
)


# ---- PyTorch --------------------------------------------------------------------------------------------------------


def _opinfo(operation: str, shape: tuple[int, ...], **more: Any) -> list[SuiteQuestion]:
    """By gradcheck, beside torch, and beside itself where numbers do not lie side by side."""
    return [
        SuiteQuestion(operation, shape, 0.0, 0.0, against="gradcheck", **more),
        SuiteQuestion(operation, shape, 1e-7, 1e-7, "float64", upstream="none", **more),
        SuiteQuestion(operation, shape, 1.3e-6, 1e-5, upstream="normal", against="itself, packed", **more),
    ]


def _opinfo_of_logits() -> list[SuiteQuestion]:
    questions = []
    cases: list[tuple[tuple[int, ...], int]] = [((5,), 0), ((5, 5), 0), ((5, 5), 1), ((5, 5), -1), ((5, 10, 5), 2)]
    for operation, (shape, dim) in product(("softmax", "log_softmax"), cases):
        questions += _opinfo(operation, shape, draw="uniform to 9", options={"dim": dim})
    for draw, dim in product(("uniform to 9", "uniform from 1e3", "uniform from 1e6"), (1, -2)):
        questions += _opinfo("logsumexp", (5, 5), draw=draw, options={"dim": dim})
    return questions


def _opinfo_of_losses() -> list[SuiteQuestion]:
    questions = []
    cases: list[tuple[tuple[int, ...], str, dict[str, Any]]] = [
        (shape, "", {}) for shape in ((2, 3), (2, 3, 1), (2, 3, 1, 2), (2, 3, 1, 2, 3))
    ]
    cases += [((2, 3), weight, {"reduction": each}) for weight, each in product(("", "uniform to 9"), REDUCTIONS)]
    for (shape, weight, options), target in product(cases, ("labels", "uniform")):
        questions += _opinfo("cross_entropy", shape, draw="uniform to 9", target=target, weight=weight, options=options)
    more = {"draw": "uniform to 9", "ignored": 0.5, "options": {"ignore_index": 1}}
    return [*questions, *_opinfo("cross_entropy", (2, 3), **more)]


def _opinfo_of_distributions() -> list[SuiteQuestion]:
    """kl_div of log q and p, whose terms are added up along the last axis."""
    draw = "softmax of uniform from 0"
    return [question for shape in ((2,), (2, 3))
            for question in _opinfo("kl_divergence", shape, draw=draw, options={"dim": -1})]  # fmt: skip


def _module_info() -> list[SuiteQuestion]:
    questions = []
    cases: tuple[dict[str, Any], ...] = ({}, {"ignore_index": 1}, {"label_smoothing": 0.15},
                                         {"ignore_index": 1, "label_smoothing": 0.15})  # fmt: skip
    for shape, options, reduction in product(((2, 3, 5, 5), (2, 3, 5), (2, 3), (2, 3, 5, 5, 2, 2)), cases, REDUCTIONS):
        ignored, weights = 0.25 if "ignore_index" in options else 0.0, ("",) if options else ("", "uniform to 9")
        questions += [
            SuiteQuestion("cross_entropy", shape, 1.3e-6, 1e-5, draw="uniform to 9", weight=weight, ignored=ignored,
                          upstream="none", options=options | {"reduction": reduction})
            for weight in weights
        ]  # fmt: skip
    for shape, smoothing, reduction in product(((5, 3, 4, 2), (5, 3, 4), (5, 3), (3,)), (0.0, 0.15), REDUCTIONS):
        options = {"reduction": reduction, "label_smoothing": smoothing}
        questions.append(SuiteQuestion("cross_entropy", shape, 1.3e-6, 1e-5, draw="uniform to 9",
                                       target="softmax of uniform", upstream="none", options=options))  # fmt: skip
    return questions


def _opinfo_of_classifiers() -> list[SuiteQuestion]:
    questions = []
    for shape, bias in product(((8, 3, 4), (8, 8, 8)), ("", "uniform to 2")):
        questions += _opinfo("linear", shape, draw="both uniform to 2", bias=bias)
    cases: list[tuple[str, str, dict[str, Any]]] = [("", "", {"reduction": each}) for each in REDUCTIONS]
    cases += [("uniform from 0.5 to 2", "", {"reduction": each}) for each in REDUCTIONS]
    cases += [("", "uniform to 9", {}), ("uniform from 0.5 to 2", "uniform to 9", {"reduction": "sum"})]
    for shape, (weight, bias, options) in product(((8, 3, 4), (8, 8, 8)), cases):
        questions += _opinfo("linear_cross_entropy", shape, draw="both uniform to 2", weight=weight, bias=bias,
                             options=options)  # fmt: skip
    return [*questions, *_opinfo("linear_cross_entropy", (8, 3, 4), draw="both uniform to 2", ignored=0.25,
                                 options={"ignore_index": 1})]  # fmt: skip


PYTORCH = Suite(
    "PyTorch OpInfo and ModuleInfo",
    "pytorch/pytorch torch/testing/_internal/common_methods_invocations.py, common_modules.py, "
    "opinfo/definitions/_masked.py (2.13)",
    inputs="uniform in [-9, 9), for linear layers in [-2, 2), logsumexp also to 2e3 and 2e6; at most 10 classes, up "
    "to four further dimensions; each reduction, class weights, ignored labels, smoothing, probabilities, a bias; "
    "divergences of softmaxes of 2 and 3 classes; float64 and float32",
    upstream="that of gradcheck; normal where numbers do not lie side by side",
    tolerance="gradcheck in its fast mode; beside torch the defaults of assert_close",
    left_out="second order and forward mode, which the mutants refuse; outputs written to a tensor, views, and what "
    "else test_ops.py asks of a dispatcher; probabilities for linear cross-entropy; empty and multi-dimensional "
    "batches; kl_div of a target in logarithms, one by one and as a mean of all; special.entr and xlogy, which add "
    "nothing up",
    questions=(
        *_opinfo_of_logits(),
        *_opinfo_of_losses(),
        *_module_info(),
        *_opinfo_of_classifiers(),
        *_opinfo_of_distributions(),
    ),
)


# ---- benchmarks of generated kernels --------------------------------------------------------------------------------

KERNEL_BENCH = Suite(
    "KernelBench",
    "ScalingIntelligence/KernelBench KernelBench/level1/23_Softmax.py, 24_LogSoftmax.py, 95_CrossEntropyLoss.py, "
    "src/kernelbench/eval.py (2026-03-05)",
    inputs="uniform logits in [0, 1): 393216 classes for softmax and log-softmax, 4096 for the mean loss; float32",
    upstream="none: values alone",
    tolerance="rtol = atol = 1e-4",
    left_out="2 rows in place of 4096, and 256 in place of 32768; half precision, within 1e-2; 5 trials",
    questions=(
        *(SuiteQuestion(operation, (2, 393216), 1e-4, 1e-4, draw="uniform", options={"dim": 1}, upstream="none",
                        comparison="allclose") for operation in ("softmax", "log_softmax")),
        SuiteQuestion("cross_entropy", (256, 4096), 1e-4, 1e-4, draw="uniform", upstream="none", comparison="allclose"),
    ),
)  # fmt: skip


def _backend_bench() -> tuple[SuiteQuestion, ...]:
    """What OpInfo samples, values alone, within 10⁻²."""
    return tuple(
        SuiteQuestion(each.operation, each.shape, 1e-2, 1e-2, dtype, each.draw, each.target, each.ignored, each.options,
                      each.weight, each.bias, upstream="none", comparison="close or NaN")
        for each in PYTORCH.questions if each.against == "gradcheck" and each.operation != "kl_divergence"
        for dtype in ("float32", "bfloat16")
        if dtype == "float32" or not each.weight
    )  # fmt: skip


BACKEND_BENCH = Suite(
    "BackendBench",
    "meta-pytorch/BackendBench BackendBench/eval.py (2025-12-16), with the samples of PyTorch's OpInfo",
    inputs="those of PyTorch OpInfo; float32 and bfloat16",
    upstream="none: values alone",
    tolerance="rtol = atol = 1e-2; NaN agrees with NaN",
    left_out="whole operations for the internal ones that are replaced there; traced inputs of models; "
    "kl_div, which is no internal operation; class weights in bfloat16, where torch on a CPU is farther than "
    "1e-2 from a right loss",
    questions=_backend_bench(),
)

SUITES: tuple[Suite, ...] = (
    PYTORCH, *LIGER, FLASH_ATTENTION, *QUACK, CUT_CROSS_ENTROPY, TRANSFORMER_ENGINE, *FLAG_GEMS, JAX, ONNX, TINYGRAD,
    NUMPY_ML, KERNEL_BENCH, BACKEND_BENCH,
)  # fmt: skip


def killed_by_suites(mutant: Mutant) -> tuple[str, ...]:
    """The names of the suites that kill a mutant."""
    return tuple(suite.name for suite in SUITES if kills(suite, mutant))


def asked_by_suites(mutant: Mutant) -> tuple[str, ...]:
    """The names of the suites that ask about its operation."""
    return tuple(suite.name for suite in SUITES if questions_about(suite, mutant))
