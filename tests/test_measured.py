"""The model `measured`: depths of sums that are known are found, and where none can be, the order is any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softproof
from softproof import Measured, Problem, load
from softproof.bounds.arithmetic import DEPTHS
from softproof.cli.commands import main
from softproof.problem.problem import Array

Sum = Callable[[Array], Array]  # (N, C) → (N,)


def one_by_one(e: Array) -> Array:
    """From the first to the last."""
    return np.add.accumulate(e, -1)[:, -1]


def in_pairs(e: Array) -> Array:
    """Halves, and halves of these."""
    n = e.shape[-1]
    return np.asarray(e[:, 0] if n == 1 else in_pairs(e[:, : n // 2]) + in_pairs(e[:, n // 2 :]))


def in_blocks(e: Array) -> Array:
    """Each eight by themselves, and then the blocks."""
    return one_by_one(np.stack([one_by_one(e[:, i : i + 8]) for i in range(0, e.shape[-1], 8)], -1))


def in_lanes(e: Array) -> Array:
    """Four partial sums side by side."""
    return one_by_one(np.stack([one_by_one(e[:, i::4]) for i in range(min(4, e.shape[-1]))], -1))


def sorted_first(e: Array) -> Array:
    """From the smallest to the largest."""
    return one_by_one(np.sort(e, -1))


def in_float64(e: Array) -> Array:
    """Without rounding, and once at the end."""
    return np.array(np.asarray(e, np.longdouble).sum(-1), e.dtype)


def by_value(e: Array) -> Array:
    """In pairs for some numbers, one by one for others that are as good."""
    few = (e.view(f"i{e.itemsize}") & 2).any(-1)  # of the bits of some number
    return np.where(few, in_pairs(e), one_by_one(e))


DEEP: dict[Sum, Callable[[int], int]] = {
    one_by_one: lambda n: n - 1,
    in_pairs: lambda n: (n - 1).bit_length(),
    in_blocks: lambda n: min(n, 8) - 1 + -(-n // 8) - 1,
    in_lanes: lambda n: -(-n // 4) - 1 + min(n, 4) - 1,
}


def candidate(add: Sum, operation: str) -> softproof.Candidate:
    """An operation by the definition, with its exponentials in the format of its logits, added up like this."""

    def rows(logits: Array) -> tuple[Array, Array]:
        x = logits.reshape(-1, logits.shape[-1])
        e = np.exp(x - x.max(-1, keepdims=True))
        return x - x.max(-1, keepdims=True), add(e)[:, None]

    def softmax(logits: Array, dim: int) -> Array:
        assert dim == -1
        d, s = rows(logits)
        return (np.exp(d) / s).reshape(logits.shape)

    def log_softmax(logits: Array, dim: int) -> Array:
        assert dim == -1
        d, s = rows(logits)
        return (d - np.log(s)).reshape(logits.shape)

    def cross_entropy(logits: Array, target: Array, reduction: str = "mean") -> Any:
        d, s = rows(logits)
        loss = np.log(s)[:, 0] - d[np.arange(len(d)), target]
        return loss if reduction == "none" else getattr(loss, reduction)()

    functions: dict[str, Callable[..., Any]] = {
        "softmax": softmax, "log_softmax": log_softmax, "cross_entropy": cross_entropy
    }  # fmt: skip
    return load(functions[operation], operation=operation, adapter="numpy")


def problem(operation: str, dtype: str, rows: int, n: int, **options: Any) -> Problem:
    """Rows of equal logits."""
    inputs: dict[str, Any] = {"logits": np.zeros((rows, n))}
    if operation == "cross_entropy":
        return Problem(operation, dtype, inputs | {"target": np.zeros(rows, int)}, {"reduction": "mean", **options})
    return Problem(operation, dtype, inputs, {"dim": -1})


@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "cross_entropy"])
@pytest.mark.parametrize("add", DEEP, ids=lambda add: add.__name__)
@pytest.mark.parametrize("n", [2, 3, 7, 17, 40, 200])
def test_a_depth_that_is_known_is_found(operation: str, add: Sum, n: int, dtype: str) -> None:
    """In both formats; of many classes at the places that are asked."""
    found = Measured(candidate(add, operation)).depth(problem(operation, dtype, 24, n))

    assert isinstance(found, int)
    assert found == DEEP[add](n) if n <= 64 else DEEP[add](n) - 2 <= found <= DEEP[add](n)


@pytest.mark.parametrize(
    ("add", "why"),
    [(sorted_first, "no order fits"), (in_float64, "no order fits"), (by_value, "other numbers contradict")],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_where_no_order_fits_it_is_any(add: Sum, why: str) -> None:
    """One that follows the values, whatever they are, and sums that do not round."""
    asked = problem("softmax", "float32", 8, 17)
    measured = Measured(candidate(add, "softmax"))

    assert measured.depth(asked) == why
    assert measured.reasons("softmax", "float32") == {why: 1}
    assert measured(asked) == softproof.any_order("float32")


@pytest.mark.parametrize(
    "asked",
    [
        problem("softmax", "float16", 8, 17),
        problem("softmax", "float32", 1, 2000),
        problem("softmax", "float32", 0, 17),
        problem("softmax", "float32", 8, 1),
        problem("cross_entropy", "float32", 8, 17, label_smoothing=0.5),
        Problem("cross_entropy", "float32", {"logits": np.zeros((2, 3)), "target": [0, 1], "weight": [1.0, 2.0, 3.0]}),
        Problem("cross_entropy", "float32", {"logits": np.zeros((2, 3)), "target": np.full((2, 3), 1 / 3)}),
        Problem("linear", "float32", {"input": np.zeros((2, 3)), "weight": np.zeros((2, 3))}),
    ],
)
def test_what_cannot_be_measured_is_not_asked(asked: Problem) -> None:
    """Nor does it take long."""

    class Silent:
        def supports(self, _operation: str) -> frozenset[str]:
            return frozenset(("dim", "reduction", "label_smoothing", "weight"))

        def answer(self, _problem: Problem, _device: str = "cpu") -> softproof.Result:
            raise AssertionError("it was asked")

    assert isinstance(Measured(Silent()).depth(asked), str)


def test_a_loss_whose_rows_cannot_be_had_is_any_order() -> None:
    """With the mean alone, of more rows than one."""
    only = load("manual:cross_entropy", fixed={"reduction": "mean"})

    assert Measured(only).depth(problem("cross_entropy", "float32", 8, 17)) == "no loss of each row"


def test_it_is_sharper_than_any_order_and_no_looser_than_what_is_read() -> None:
    """manual's sums are NumPy's, which halves rows of more than 128; a deviation between the two bounds is seen."""
    asked = Problem(
        "softmax", "float32", {"logits": np.linspace(-1, 1, 64000, dtype=np.float32).reshape(64, 1000)}, {"dim": -1}
    )
    measured = Measured(load("manual:softmax"))
    depth = measured.depth(asked)
    assert isinstance(depth, int)
    assert depth <= DEPTHS["numpy"](1000) < 999

    p = softproof.solve(asked)["value"].astype(float)
    off = softproof.Result({"value": softproof.Output((p * (1 + 100 * 2.0**-24)).astype(np.float32), "float32")})
    outcomes = [softproof.judge_result(asked, off, arithmetic=each).outcome for each in ("any-order", measured)]
    assert outcomes == ["agrees", "disagrees"]


def test_a_run_measures_and_says_so(capsys: pytest.CaptureFixture[str], number_of_the_run: int) -> None:
    """In the table, in the notes, and in how a failure is seen again."""
    asked = ["--dtype", "float32", "--examples", "12", "--seed", f"{number_of_the_run}"]
    assert main(["verify", "manual:softmax", "-v", "--arithmetic", "measured", *asked]) == 0
    printed = capsys.readouterr().out
    assert "sums of softmax in float32: " in printed
    assert "as measured; any order would allow " in printed

    wrong = load(np.zeros_like, operation="softmax", adapter="numpy", ndim=[2], without=["nonfinite"], supports=[])
    report = softproof.verify(wrong, arithmetic="measured", dtypes=["float32"], examples=5, seed=number_of_the_run)
    assert report.rows[0].failure is not None
    assert "arithmetic=Measured(candidate, 'cpu')" in report.rows[0].failure.snippet
    assert "import Measured, Problem, judge, load" in report.rows[0].failure.snippet


def test_who_is_rewarded_is_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """A certificate takes models that its reader has; class D one for both."""
    with pytest.raises(SystemExit):
        main(["certify", "manual:softmax", "--arithmetic", "measured", "-o", "x.json"])
    assert "--arithmetic measured" in capsys.readouterr().err

    with pytest.raises(ValueError, match="arithmetic is 'measured' and accuracy is 'D'"):
        softproof.verify("manual:softmax", arithmetic="measured", accuracy="D", baseline="reference:softmax")


@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "logsumexp"])
def test_an_answer_of_another_shape_is_wrong_and_no_fault_of_the_judge(operation: str) -> None:
    """Nothing is read off it; the row disagrees."""

    def misshapen(logits: Array, dim: int = -1) -> Array:
        return np.zeros((3, 5, 7 + 0 * dim), logits.dtype)

    asked: Any = {"operation": operation, "adapter": "numpy", "dtypes": ["float32"], "examples": 3, "seed": 0}
    row = softproof.verify(misshapen, arithmetic="measured", **asked).rows[0]
    assert row.verdict == "disagrees", row.outcome.reason
    measured = Measured(load(misshapen, operation=operation, adapter="numpy"))
    assert measured.depth(problem(operation, "float32", 8, 17)) == "no answer"


def test_what_is_no_candidate_is_refused() -> None:
    """By its name, with what it is."""
    with pytest.raises(TypeError, match=r"candidate is 'manual:softmax'; expected what softproof\.load gives"):
        Measured("manual:softmax")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="device is 3; expected the name of one"):
        Measured(load("manual:softmax"), 3)  # type: ignore[arg-type]
