"""Findings: where a released implementation leaves its bound or its documented semantics, each with a witness.

They are data, and they are asked again whenever the report is written: a finding that no longer reproduces is reported
as fixed. No bound is widened for them; `softproof verify` says *disagrees* where one of them is met.
"""

from __future__ import annotations

import importlib
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath

from numpy import nan, zeros

from ..candidates.candidate import Candidate
from ..candidates.loading import load
from ..problem.problem import Problem
from ..verdicts.judgement import judge, judge_refusal
from ..verdicts.verdict import AGREES, DISAGREES, Verdict
from .environment import versions

REPRODUCES, FIXED, NOT_JUDGED = "reproduces", "fixed", "not judged"
PATIENCE = 2.0  # seconds without a sign of life


@dataclass(frozen=True)
class Finding:
    """One place where a released implementation is not right.

    Args:
        name: what it is called, in kebab-case.
        target: the implementation, as `softproof.load` takes it by name.
        problem: the smallest question that shows it.
        happens: what the implementation does, and where in its source.
        right: what is right, and why.
        objects: keyword arguments of the target that are no options of the operation: by name, the class of each,
            ``package.module:Class``, which is made without arguments.
        arithmetic: the model that it is judged under, a name in `softproof.bounds.models.MODELS`.
        link: a public report about it, or about its like.
        refuses: whether an error is what is right.
    """

    name: str
    target: str
    problem: Problem
    happens: str
    right: str
    objects: Mapping[str, str] = field(default_factory=dict)
    arithmetic: str = "float32-inside"
    link: str = ""
    refuses: bool = False

    @property
    def operation(self) -> str:
        """What the target computes."""
        return self.problem.operation

    def candidate(self) -> Candidate:
        """The implementation; ValueError where the installed version does not have it."""
        candidate = load(self.target, self.operation, adapter="torch")
        made = {name: _named(path)() for name, path in self.objects.items()}
        function = candidate.functions[self.operation]
        return replace(candidate, functions={self.operation: partial(function, **made)}) if made else candidate

    def snippet(self, device: str = "cpu") -> str:
        """Python that asks the question again when pasted, and prints the verdict."""
        target, imports = repr(self.target), ["from numpy import array, inf, nan, zeros"]
        if self.objects:
            parts = [path.partition(":") for path in (*self.objects.values(), self.target)]
            imports = [
                "from functools import partial",
                *imports,
                *(f"from {each[0]} import {each[2]}" for each in parts),
            ]
            made = ", ".join(f"{name}={each[2]}()" for name, each in zip(self.objects, parts, strict=False))
            target = f"partial({parts[-1][2]}, {made})"
        call = f"judge(candidate, problem, device={device!r}, arithmetic={self.arithmetic!r})"
        if self.refuses:
            call = f"judge_refusal(problem, candidate.answer(problem, {device!r}))"
        return "\n".join(
            [
                *imports,
                f"from softproof import Problem, {call.partition('(')[0]}, load",
                f"candidate = load({target}, operation={self.operation!r}, adapter='torch')",
                f"problem = {self.problem!r}",
                f"print({call})",
            ]
        )


def _named(path: str) -> Callable[[], object]:
    """The class that ``package.module:Class`` names."""
    module, _, name = path.partition(":")
    found: Callable[[], object] = getattr(importlib.import_module(module), name)
    return found


# ---- asking again ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A finding on the installed version: its status, and what the judge said."""

    finding: Finding
    status: str
    text: str


def reproduce(finding: Finding, device: str = "cpu") -> Verdict:
    """The verdict on a finding's witness; ValueError where the installed version does not have its target.

    >>> reproduce(FINDINGS[0]).outcome in ("agrees", "disagrees")
    True
    """
    candidate, problem = finding.candidate(), finding.problem
    if finding.refuses:
        return judge_refusal(problem, candidate.answer(problem, device))
    return judge(candidate, problem, device=device, arithmetic=finding.arithmetic)


def ask(finding: Finding, device: str = "cpu") -> Asked:
    """A number that disagrees reproduces the finding; agreement is a fix; anything else is no answer to judge."""
    try:
        finding.candidate()
    except ValueError as error:
        return Asked(finding, NOT_JUDGED, str(error))
    verdict = reproduce(finding, device)
    if verdict.outcome == AGREES:
        status = FIXED
    else:
        status = REPRODUCES if verdict.outcome == DISAGREES and verdict.output else NOT_JUDGED
    return Asked(finding, status, str(verdict))


def ask_all(
    findings: Iterable[Finding] | None = None,
    device: str = "cpu",
    progress: Callable[[Asked, int, int], None] | None = None,
) -> list[Asked]:
    """Every finding on the installed version; `progress` is called for each, once that takes longer than PATIENCE."""
    chosen, start = list(FINDINGS if findings is None else findings), time.monotonic()
    asked: list[Asked] = []
    for number, finding in enumerate(chosen, start=1):
        asked.append(ask(finding, device))
        if progress is not None and time.monotonic() - start >= PATIENCE:
            progress(asked[-1], number, len(chosen))
    return asked


def check_device(device: str) -> None:
    """Raise ValueError where torch, or the device, is missing."""
    load("torch.nn.functional:softmax", adapter="torch").arrays.check_device(device)


# ---- the report -----------------------------------------------------------------------------------------------------

_HEAD = """\
# Findings

Here torch's answer exceeds its bound, or is not what torch documents. Each cause has a minimal witness, its verdict,
and what would be right. `make findings` runs all of them again and writes this file.

*reproduces*: the witness disagrees on the versions below. *fixed*: it agrees. *not judged*: this torch lacks the
function, raised an error, or the judge cannot tell. Findings are expected failures by name. The judge makes no
exception for them, and no bound is wider because of them.

The bound is that of the model `float32-inside`: float32 from the inputs on, and one rounding to the format of the
result at the end ([bounds.md](../theory/bounds.md), A5); for float32 itself it is the usual one. torch promises no
accuracy in float16 and bfloat16. A finding there says where that expectation is wrong, and by how much.
"""


def findings_report(asked: Sequence[Asked] | None = None, device: str = "cpu") -> str:
    """The findings as Markdown: versions, a table with the status of each, and the witnesses."""
    asked = ask_all(device=device) if asked is None else asked
    return "\n".join([_HEAD, *_versions(device), "", *_table(asked), *(_section(each, device) for each in asked)])


def summary(asked: Sequence[Asked]) -> str:
    """How many findings have which status.

    >>> summary([])
    '0 findings: 0 reproduce, 0 fixed, 0 not judged'
    """
    counts = {status: sum(each.status == status for each in asked) for status in (REPRODUCES, FIXED, NOT_JUDGED)}
    return (
        f"{len(asked)} findings: {counts[REPRODUCES]} reproduce, {counts[FIXED]} fixed, {counts[NOT_JUDGED]} not judged"
    )


def _versions(device: str) -> list[str]:
    """What was asked, as a table; a local version such as +cpu says nothing that the device does not."""
    found = {name: number.split("+")[0] for name, number in versions().items() if name in ("torch", "softproof")}
    found |= {"device": device, "platform": f"{platform.system()} {platform.machine()}"}
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in found.items())]


def _table(asked: Sequence[Asked]) -> list[str]:
    rows = [f"| [{each.finding.name}](#{each.finding.name}) | {_dotted(each.finding)} | {each.finding.problem.dtype} "
            f"| {each.status} |" for each in asked]  # fmt: skip
    return [f"{summary(asked)}.", "", "| finding | function | format | status |", "|---|---|---|---|", *rows]


def _dotted(finding: Finding) -> str:
    """The target as its users write it."""
    return f"`{finding.target.replace(':', '.')}`"


def _section(each: Asked, device: str) -> str:
    finding = each.finding
    lines = [f"\n## {finding.name}\n", f"{_dotted(finding)} in {finding.problem.dtype}: **{each.status}**.\n"]
    lines += [_wrapped(f"{finding.happens} {finding.right}"), ""]
    if finding.link:
        lines += [f"Related report: [{'#' + PurePosixPath(finding.link).name}]({finding.link}).\n"]
    return "\n".join([*lines, "```python", finding.snippet(device), "```\n", "```text", each.text, "```"])


def _wrapped(text: str, width: int = 120) -> str:
    """The text in lines of at most `width` characters."""
    lines = [""]
    for word in text.split():
        fits = len(lines[-1]) + 1 + len(word) <= width
        lines = [*lines[:-1], f"{lines[-1]} {word}".lstrip()] if fits else [*lines, word]
    return "\n".join(lines)


# ---- the findings ---------------------------------------------------------------------------------------------------

_F = "torch.nn.functional:"
_CHUNKED = {"options": "torch.nn:LinearCrossEntropyOptions"}
_ISSUES = "https://github.com/pytorch/pytorch/issues/"

FINDINGS: tuple[Finding, ...] = (
    Finding(
        "log-softmax-rounds-its-sum",
        _F + "log_softmax",
        Problem("log_softmax", "bfloat16", {"logits": [0.0, -5.75]}, {"dim": -1}),
        happens="Along the last dimension the sum of the exponentials, and then its logarithm, is rounded to the "
        "format of the logits (aten/src/ATen/native/cpu/LogSoftmaxKernelImpl.h, `tmp_sum_scalar`), so that the "
        "log-probability of a likely class comes out as 0.",
        right="The result has a nearest bfloat16 number, and along another dimension, where both stay in float32, the "
        "same logits give it.",
    ),
    Finding(
        "log-softmax-overflows-its-sum",
        _F + "log_softmax",
        Problem("log_softmax", "float16", {"logits": zeros(65520)}, {"dim": -1}),
        happens="The same sum, of 65520 equal classes or more, is infinite in float16, and every log-probability is "
        "-∞; cross-entropy over such a vocabulary is ∞.",
        right="A log-probability of -log 65520 is far inside the range of float16, and 65519 classes are right.",
    ),
    Finding(
        "cross-entropy-loses-confident-rows",
        _F + "cross_entropy",
        Problem("cross_entropy", "bfloat16", {"logits": [[0.0, -7.0]], "target": [0]}, grad_output=1.0),
        happens="The loss is read off the log-softmax that was rounded on the way, and so is the gradient: of a row "
        "that is right with probability 0.999 the loss is 0, and the gradient [0, 0.0009] does not sum to 0.",
        right="The loss is log(1 + exp(-7)), and the gradient p - y has two entries of one size and opposite signs; "
        "both are ordinary bfloat16 numbers.",
    ),
    Finding(
        "logsumexp-rounds-its-exponentials",
        "torch:logsumexp",
        Problem("logsumexp", "bfloat16", {"logits": [0.0, -7.0]}, {"dim": -1}),
        happens="Shifted logits, exponentials, their sum and its logarithm are tensors of the format of the logits "
        "(aten/src/ATen/native/ReduceOps.cpp, `logsumexp_out_impl`), each rounded in its turn.",
        right="Rounded once, log(1 + exp(-7)) is not 0.",
    ),
    Finding(
        "logsumexp-overflows-its-sum",
        "torch:logsumexp",
        Problem("logsumexp", "float16", {"logits": zeros(65520)}, {"dim": -1}),
        happens="The sum of the exponentials is a float16 number too, and is infinite for 65520 equal logits.",
        right="Its logarithm is 11.09.",
    ),
    Finding(
        "logsumexp-gradient-from-its-rounded-value",
        "torch:logsumexp",
        Problem("logsumexp", "bfloat16", {"logits": [256.0, 256.0]}, {"dim": -1}, grad_output=1.0),
        happens="The gradient is exp(logits - value) with the value as it was stored "
        "(torch/csrc/autograd/FunctionsManual.cpp, `logsumexp_backward`), here 256 in place of 256.69, so that both "
        "of its entries are 1.",
        right="It is the softmax of the logits, which sums to 1 however the value is rounded.",
    ),
    Finding(
        "softmax-rounds-its-exponentials-in-columns",
        _F + "softmax",
        Problem("softmax", "bfloat16", {"logits": [[0.0], [-1.0]]}, {"dim": 0}),
        happens="Along a dimension that is not the last, the columns that do not fill a vector keep their "
        "exponentials in the format of the result (aten/src/ATen/native/cpu/SoftMaxKernel.cpp), and are rounded "
        "twice.",
        right="Along the last dimension, and in the columns that do fill a vector, the same logits are rounded once.",
    ),
    Finding(
        "cross-entropy-overflows-its-count",
        _F + "cross_entropy",
        Problem(
            "cross_entropy", "float16", {"logits": zeros((65520, 2)), "target": zeros(65520, int)}, grad_output=1.0
        ),
        happens="The mean divides by the number of rows as a float16 number (aten/src/ATen/native/LossNLL.cpp, "
        "`total_weight_val`), and 65520 is infinite there: the loss is 0, and so is the whole gradient.",
        right="The mean of equal losses is each of them, log 2, and 65519 rows are right.",
        link=_ISSUES + "61523",
    ),
    Finding(
        "cross-entropy-overflows-its-total",
        _F + "cross_entropy",
        Problem("cross_entropy", "float16", {"logits": [[0.0, -4e4], [0.0, -4e4]], "target": [1, 1]}),
        happens="The losses of all rows are added up in float16 before the division "
        "(aten/src/ATen/native/LossNLL.cpp, `loss_partial_sums`), and two of 40000 are too many.",
        right="The mean of 40000 and 40000 is 40000, which float16 has.",
        link=_ISSUES + "85791",
    ),
    Finding(
        "cross-entropy-rounds-its-total",
        _F + "cross_entropy",
        Problem("cross_entropy", "bfloat16", {"logits": zeros((3, 5)), "target": [0, 0, 0]}),
        happens="Every partial sum of the losses is rounded to the format of the logits "
        "(aten/src/ATen/native/LossNLL.cpp, `loss_partial_sums`), here to a mean that is not the loss of any row.",
        right="All three losses are log 5, and so is their mean.",
    ),
    Finding(
        "cross-entropy-gradient-from-its-rounded-log-softmax",
        _F + "cross_entropy",
        Problem("cross_entropy", "bfloat16", {"logits": zeros((1, 16)), "target": [0]}, grad_output=1.0),
        happens="The backward pass takes the exponential of the log-softmax as it was stored: -2.765625 in place of "
        "-2.7726, which makes probabilities of 0.06299.",
        right="All sixteen are 1/16, which bfloat16 has. Rounding the logarithm by a factor 1 + δ moves the "
        "probability by |log p| δ, and no longer by δ.",
    ),
    Finding(
        "cross-entropy-rounds-log-probabilities",
        _F + "cross_entropy",
        Problem("cross_entropy", "bfloat16", {"logits": [[0.0, -4.0]], "target": [[0.25, 0.75]]}),
        happens="With probabilities as the target, the log-softmax is stored in the format of the logits before it is "
        "weighted and summed (aten/src/ATen/native/LossNLL.cpp, `cross_entropy_loss_prob_target`).",
        right="The loss is 3 + log(1 + exp(-4)), which differs from 3 by more than bfloat16's rounding.",
    ),
    Finding(
        "linear-rounds-before-the-bias",
        _F + "linear",
        Problem(
            "linear",
            "bfloat16",
            {"input": [1.0, 2.0**-9], "weight": [[1.0, 1.0]], "bias": [-1.0]},
            layout="strided",
        ),
        happens="An input of one dimension, or of three, that is not contiguous takes the way of a product that is "
        "stored and a bias that is added later (aten/src/ATen/native/Linear.cpp), and what the bias leaves of the "
        "product was rounded away.",
        right="The value is 2⁻⁹ exactly, which the contiguous input of the same numbers gives.",
    ),
    Finding(
        "chunked-loss-rounds-its-total",
        _F + "linear_cross_entropy",
        Problem(
            "linear_cross_entropy",
            "bfloat16",
            {"input": zeros((512, 1)), "linear_weight": zeros((512, 1)), "target": zeros(512, int)},
        ),
        happens="With chunking, the loss is accumulated over the chunks in bfloat16 "
        "(torch/nn/modules/linear_cross_entropy.py, `output`), which stops growing once a chunk adds less than half a "
        "unit in its last place.",
        right="All losses are log 512, and so is their mean. The documentation calls the function equivalent to "
        "`cross_entropy` of `linear`.",
        objects=_CHUNKED,
    ),
    Finding(
        "chunked-gradient-rounds-its-total",
        _F + "linear_cross_entropy",
        Problem(
            "linear_cross_entropy",
            "bfloat16",
            {"input": zeros((512, 1)) + 1, "linear_weight": zeros((512, 1)), "target": zeros(512, int)},
            {"reduction": "sum"},
            grad_output=1.0,
        ),
        happens="The gradients of the weight and the bias are accumulated over the chunks in the format of the weight "
        "(torch/nn/modules/linear_cross_entropy.py, `grad_linear_weight`), and that of the label's class stops at "
        "-256.",
        right="Each of the 512 rows contributes 1/512 - 1 there, which makes -511.",
        objects=_CHUNKED,
    ),
    Finding(
        "chunked-gradient-of-ignored-labels",
        _F + "linear_cross_entropy",
        Problem(
            "linear_cross_entropy",
            "float32",
            {"input": [[1.0]], "linear_weight": [[1.0], [3.0]], "target": [-100]},
            grad_output=1.0,
        ),
        happens="Where every label is ignored, chunking divides by NaN in place of the count "
        "(torch/nn/modules/linear_cross_entropy.py, `neg_weight_target`), and all gradients are NaN.",
        right="The mean over nothing is NaN, but an ignored target does not contribute to the gradient, as the "
        "documentation of `ignore_index` says; `cross_entropy` of `linear`, which the function is documented to be "
        "equivalent to, gives 0.",
        objects=_CHUNKED,
    ),
    Finding(
        "chunked-loss-of-an-ignored-row",
        _F + "linear_cross_entropy",
        Problem(
            "linear_cross_entropy",
            "float32",
            {"input": [[2.0**127], [0.0]], "linear_weight": [[2.0], [-2.0]], "target": [-100, 0]},
        ),
        happens="With chunking, an ignored row is multiplied by 0 rather than left out, and where its logits "
        "overflow, 0·NaN makes the loss of all rows NaN.",
        right="The row that counts has two equal logits and the loss log 2, which the function gives without chunking.",
        objects=_CHUNKED,
    ),
    Finding(
        "gradient-of-an-ignored-row",
        _F + "linear_cross_entropy",
        Problem(
            "linear_cross_entropy",
            "float32",
            {"input": [[2.0**127], [0.0]], "linear_weight": [[2.0], [-2.0]], "target": [-100, 0]},
            grad_output=1.0,
        ),
        happens="Without chunking the loss is right, but the backward pass of log-softmax multiplies the "
        "probabilities of the ignored row, which are NaN, by 0.",
        right="An ignored target does not contribute to the gradient, as the documentation of `ignore_index` says: "
        "that of its row is 0.",
    ),
    Finding(
        "gradient-of-an-ignored-row-of-nan",
        _F + "cross_entropy",
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[nan, 0.0]], "target": [-100]},
            {"reduction": "sum"},
            grad_output=1.0,
        ),
        happens="The loss is 0, but the backward pass of log-softmax multiplies the probabilities of the ignored row, "
        "which are NaN, by 0, and so NaN in padding reaches the weights.",
        right="An ignored target does not contribute to the gradient, as the documentation of `ignore_index` says: "
        "that of its row is 0.",
    ),
    Finding(
        "label-smoothing-below-0",
        _F + "cross_entropy",
        Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [1]}, {"label_smoothing": -0.5}),
        happens="A label smoothing below 0, or of NaN, is taken for 0 without a word: the check of the range stands "
        "behind the question whether it is above 0 (aten/src/ATen/native/LossNLL.cpp, `cross_entropy_loss_symint`).",
        right="An error, as for 1.5: the documentation asks for a number from 0 to 1.",
        refuses=True,
    ),
)
