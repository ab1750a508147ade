"""The public suites that are rebuilt: complete records, right implementations that pass, mutants known to be missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from softproof import OPERATIONS
from softproof.mutants.catalogue import MUTANTS
from softproof.mutants.correct import CORRECT
from softproof.mutants.inputs import DRAWS, PAIRS, drawn
from softproof.mutants.published import SUITES, asked_by_suites, killed_by_suites
from softproof.mutants.record import Mutant
from softproof.mutants.steps.cross_entropy import CrossEntropy
from softproof.mutants.steps.operation import Operation
from softproof.mutants.steps.softmax import Softmax
from softproof.mutants.suites import ASKED, COMPARISONS, UPSTREAM, Suite, SuiteQuestion, accepts, kills, questions_about

RIGHT = Mutant("right", "none", "s", "e", "t", "s", "forward", "softmax", Softmax)
NAMED = {suite.name: suite for suite in SUITES}


# ---- the records ----------------------------------------------------------------------------------------------------


def test_no_two_suites_have_one_name() -> None:
    """The second would hide the first in a table."""
    assert len(NAMED) == len(SUITES)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_record_is_complete(suite: Suite) -> None:
    """Every field says something, the source is a file in a repository with a date or a version, and all keys exist."""
    assert all((suite.inputs, suite.upstream, suite.tolerance, suite.left_out, suite.questions))
    repository, file, *_ = suite.source.split()
    assert "/" in repository
    assert "." in file
    assert any(character.isdigit() for character in suite.source.rsplit("(")[-1])
    for question in suite.questions:
        assert question.draw in (PAIRS if "linear" in question.operation else DRAWS)
        assert question.upstream in UPSTREAM
        assert question.against in ASKED
        assert question.comparison in COMPARISONS
        assert set(question.options) <= {"dim", "reduction", "ignore_index", "label_smoothing"}


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_what_is_drawn_is_what_is_asked(suite: Suite) -> None:
    """In the dtype of the question and of its shape, with labels that are classes or ignored."""
    for question in suite.questions:
        tensors = drawn(question)
        assert all(x.dtype == getattr(torch, question.dtype) for x in tensors.values() if x.is_floating_point())
        if "linear" not in question.operation:
            names = OPERATIONS[question.operation].inputs
            assert all(x.shape == question.shape for name, x in tensors.items() if name in ("input", "p", "q"))
            assert len(tensors) >= len(names)
        if question.ignored:
            assert (tensors["target"] == question.options.get("ignore_index", -100)).any()


def test_every_draw_is_fresh() -> None:
    """A mutant may write to its inputs."""
    question = SuiteQuestion("softmax", (2, 3), 0.0, 0.0)
    drawn(question)["input"].zero_()

    assert drawn(question)["input"].any()


# ---- what is right --------------------------------------------------------------------------------------------------


# no suite that is rebuilt adds up special.entr or xlogy, or takes logits for their entropy or divergence
NOT_ASKED = ("entropy", "distribution_cross_entropy", "softmax_entropy", "softmax_kl_divergence")


@pytest.mark.parametrize("right", CORRECT, ids=lambda right: right.operation)
def test_suites_accept_what_is_right(right: Operation) -> None:
    """Every question that they ask about its operation."""
    mutant = replace(RIGHT, operation=right.operation, implementation=type(right))

    assert bool(asked_by_suites(mutant)) == (right.operation not in NOT_ASKED)
    assert killed_by_suites(mutant) == ()


def test_a_suite_is_asked_about_what_it_tests_alone() -> None:
    """Nothing else could be held against it."""
    assert questions_about(NAMED["numpy-ml"], replace(RIGHT, operation="logsumexp")) == ()
    assert not kills(NAMED["numpy-ml"], MUTANTS["one-dimension-more"])


# ---- what is wrong --------------------------------------------------------------------------------------------------


class _WrongJacobian(Softmax):
    def __init__(self, factor: Callable[[Tensor], Tensor]) -> None:
        self.factor = factor

    def vjp(self, g: Tensor, p: Tensor, dim: int) -> Tensor:
        return self.factor(p) * (g - (g * p).sum(dim, keepdim=True))


FACTORS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": torch.zeros_like,
    "other sign": torch.neg,
    "square": torch.square,
}


@pytest.mark.parametrize("name", ["tinygrad", "numpy-ml"])
def test_a_sum_of_probabilities_hides_every_jacobian(name: str) -> None:
    """The gradient of Σ p is 0, so p may be missing, squared, or of the other sign; a normal upstream gradient
    shows it.
    """
    for factor in FACTORS.values():
        wrong = replace(RIGHT, implementation=_WrongJacobian(factor))
        assert not kills(NAMED[name], wrong)
        assert kills(NAMED["Liger, softmax"], wrong)


class _NoGradientInHalfPrecision(CrossEntropy):
    def of_logits(self, case: object, c: Tensor) -> Tensor:
        return torch.zeros_like(super().of_logits(case, c))  # type: ignore[arg-type]


def test_flash_attention_has_no_gradient_to_check_in_half_precision() -> None:
    """All entries are below its tolerance of 10⁻⁴; in float32 those of the labels are not."""
    suite = NAMED["flash-attention, cross-entropy"]
    passed = [question.dtype for question in suite.questions if accepts(question, _NoGradientInHalfPrecision())]

    assert {"float16", "bfloat16"} <= set(passed)
    assert passed.count("float32") < sum(question.dtype == "float32" for question in suite.questions)


@pytest.mark.parametrize(
    ("suite", "mutant", "killed"),
    [
        ("ONNX backend tests", "gradient-of-the-other-sign", False),  # values alone
        ("ONNX backend tests", "softmax-of-axis-0", True),
        ("KernelBench", "no-gradient", False),
        ("KernelBench", "uniform-softmax", False),  # 1/393216 is below 10⁻⁴, and so is everything else
        ("KernelBench", "mean-over-entries", True),
        ("quack, cross-entropy", "first-upstream-gradient", True),  # normal upstream gradients
        ("Liger, cross-entropy", "first-upstream-gradient", False),  # ones
        ("Liger, cross-entropy", "upstream-gradient-dropped", False),
        ("PyTorch OpInfo and ModuleInfo", "strides-ignored", True),
        ("BackendBench", "strides-ignored", False),
        ("PyTorch OpInfo and ModuleInfo", "logsumexp-then-subtract", False),  # no common offset
        ("FlagGems, softmax and log-softmax", "masked-after-the-exponential", True),
        ("PyTorch OpInfo and ModuleInfo", "divergence-uphill", True),
        ("PyTorch OpInfo and ModuleInfo", "divergence-of-a-zero", False),  # no probability is 0
    ],
)
def test_what_a_suite_kills(suite: str, mutant: str, killed: bool) -> None:
    """Where it is known why."""
    assert kills(NAMED[suite], MUTANTS[mutant]) is killed


# ---- comparisons ----------------------------------------------------------------------------------------------------

ONES = torch.ones(3)


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_a_comparison_rejects_what_is_far(comparison: str) -> None:
    """And accepts what is the same."""
    compare = COMPARISONS[comparison]

    assert compare(ONES, ONES, ONES, 1e-3, 1e-3)
    assert not compare(ONES + 0.1, ONES, ONES, 1e-3, 1e-3)


@pytest.mark.parametrize(
    ("comparison", "accepted"),
    [("close", False), ("close or NaN", True), ("allclose", False), ("relative to what is judged", True),
     ("no worse than a baseline", False), ("largest error of a baseline", False)],
)  # fmt: skip
def test_not_a_number_beside_not_a_number(comparison: str, accepted: bool) -> None:
    """As in the suite that compares like this."""
    nan = torch.full((3,), torch.nan)

    assert COMPARISONS[comparison](nan, nan, nan, 1e-3, 1e-3) is accepted
    assert not COMPARISONS[comparison](nan, ONES, ONES, 1e-3, 1e-3)


def test_what_raises_is_rejected() -> None:
    """Not passed on."""

    def broken(input: Tensor, dim: int) -> Tensor:
        raise RuntimeError(f"no kernel for {input.shape} along {dim}")

    assert not accepts(SuiteQuestion("softmax", (2, 3), 1e-3, 1e-3, options={"dim": -1}), broken)
    assert accepts(SuiteQuestion("softmax", (2, 3), 1e-3, 1e-3, options={"dim": -1}), F.softmax)
