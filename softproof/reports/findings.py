"""What released implementations do that their bounds, or their documentation, exclude: a table."""

from __future__ import annotations

from numpy import nan, ones, zeros

from ..problem.problem import Problem
from .finding import AMX, CUDA, Finding

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
        "linear-reads-beyond-its-rows",
        _F + "linear",
        Problem("linear", "bfloat16", {"input": ones((48, 3)), "weight": ones((32, 3))}, layout={"input": "sliced"}),
        happens="Of a slice of a larger tensor the tiles of the CPU load what lies behind the features of a row, and "
        "multiply it by 0 (oneDNN, `brg_matmul` with AMX, where 32 does not divide the number of features). A NaN or "
        "an infinity there makes whole rows NaN, and so it does in gradients.",
        right="A row depends on its own features: each is 3, which the contiguous input of the same numbers gives, and "
        "every CPU without AMX.",
        link="https://github.com/uxlfoundation/oneDNN/issues/5717",
        shows_on=AMX,
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
    Finding(
        "labels-narrowed-to-32-bits",
        _F + "cross_entropy",
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[[0.0, 1.0], [2.0, 0.0]]], "target": [[0, 2**32]]},
            {"ignore_index": 2**32},
            grad_output=1.0,
        ),
        happens="With positions (N, C, d1, …) and a mean or a sum, the kernel reads a label as an int "
        "(aten/src/ATen/native/cuda/NLLLoss2d.cu, `nll_loss2d_forward_kernel` and `nll_loss2d_backward_kernel`) and "
        "compares it with an ignore_index of 64 bits: the ignored label 2**32 is then class 0, and counts.",
        right="A label equal to ignore_index does not contribute. On a CPU, and on CUDA for logits (N, C) or without "
        "a reduction, it does not.",
        link="https://github.com/pytorch/pytorch/pull/85395",
        shows_on=CUDA,
    ),
    Finding(
        "mean-of-an-ignored-label-without-a-batch",
        _F + "cross_entropy",
        Problem("cross_entropy", "float32", {"logits": [0.0, 1.0], "target": -100}),
        happens="The kernel for logits (C,) gives 0 where the label is ignored, whatever the reduction "
        "(aten/src/ATen/native/cuda/Loss.cu, `nll_loss_forward_reduce_cuda_kernel_1d`).",
        right="The mean of no rows is 0/0, NaN, as of the same row in a batch (1, C), and as on a CPU.",
        link="https://github.com/pytorch/pytorch/pull/64572",
        shows_on=CUDA,
    ),
)
