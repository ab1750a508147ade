"""Why released implementations disagree: what was found about each row of docs/generated/conformance.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Disagreement:
    """One cause, and the rows that show it, by how their names begin."""

    name: str
    rows: str
    cause: str  # what it does, and what is right
    upstream: str  # where it is known, or that nothing was found
    witness: str  # Python without softproof; a comment says what it prints

    @property
    def markdown(self) -> str:
        """A section of the document."""
        return (
            f"### {self.name}\n\n{self.cause}\n\n*Upstream*: {self.upstream}\n\n```python\n{self.witness.strip()}\n```"
        )


_MODEL = """
import numpy as np, onnxruntime
from onnx import TensorProto, helper
node = helper.make_node("LogSoftmax", ["x"], ["y"], axis=-1)
x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None]) for name in "xy")
graph = helper.make_graph([node], "graph", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString())
print(session.run(None, {"x": np.array([0.0, np.nan])})[0])  # [46.05170189 nan]
"""

_CLIPPED = """
import numpy as np
from sklearn.metrics import log_loss
p = np.array([[np.exp(-37.0), 1.0]])
print(log_loss([0], p / p.sum(), labels=[0, 1]))  # 36.04365338911715, of 37
"""

_LOG_OF_SOFTMAX = """
import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
node = helper.make_node("LogSoftmax", ["x"], ["y"], axis=-1)
x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
model = helper.make_model(helper.make_graph([node], "graph", [x], [y]))
print(ReferenceEvaluator(model).run(None, {"x": np.array([0, 200], np.float32)})[0])  # [-inf 0.], of [-200 0]
"""

_NO_MAXIMUM = """
import os; os.environ["DEV"] = "PYTHON"
from tinygrad import Tensor
print(Tensor([-float("inf")] * 2).logsumexp().item())  # nan, of -inf
"""

_SUM_OF_SHARES = """
import mlx.core as mx, mlx.nn as nn
x, q = mx.array([[0.0, 0.0]]), mx.array([[1.0, 1.0]])
loss = lambda q: nn.losses.cross_entropy(x, q, reduction="sum")
print(loss(q), mx.grad(loss)(q))  # 0.693147 and 0 in both classes, of 2 log 2 and log 2
"""

_LOG_OF_ZERO = """
import jax.numpy as jnp, optax
print(optax.losses.kl_divergence(jnp.log(jnp.array([0.0, 1.0])), jnp.array([0.0, 1.0])))  # nan, of 0
"""

_SECOND_DERIVATIVE = """
import os; os.environ["TRITON_INTERPRET"] = "1"
import torch
from liger_kernel.ops.softmax import LigerSoftmaxFunction
x = torch.tensor([[0.0, 1.0]], requires_grad=True)
for softmax in (LigerSoftmaxFunction.apply, lambda x: torch.softmax(x, -1)):
    (g,) = torch.autograd.grad(softmax(x)[0, 1], x, create_graph=True)
    (h,) = torch.autograd.grad((x * g).sum(), x)
    print(h - g.detach())  # tensor([[0., 0.]]), of tensor([[ 0.0909, -0.0909]])
"""

_NOTHING_COUNTS = """
import os; os.environ["TRITON_INTERPRET"] = "1"
import torch
from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction
print(LigerCrossEntropyFunction.apply(torch.zeros(1, 2), torch.tensor([-100]), None, -100)[0])  # tensor(0.), of nan
"""

_TRANSPOSED = """
import os; os.environ["TRITON_INTERPRET"] = "1"
import torch
from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction
logits = torch.tensor([[3.0, 4.0], [1.0, 2.0]]).t().requires_grad_()
LigerCrossEntropyFunction.apply(logits, torch.tensor([0, 0]), None, -100, 0.0, 0.0, "sum")[0].backward()
print(logits.grad)  # tensor([[3., 1.], [4., 2.]]), of tensor([[-0.1192, 0.1192], [-0.1192, 0.1192]])
"""

_SECOND_BACKWARD = """
import os; os.environ["TRITON_INTERPRET"] = "1"
import torch
from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction
x = torch.zeros(1, 2, requires_grad=True)
loss = LigerCrossEntropyFunction.apply(x * 1, torch.tensor([0]), None, -100)[0]
for g in (torch.tensor(2.0), torch.tensor(1.0)):
    print(torch.autograd.grad(loss, x, g, retain_graph=True)[0])  # tensor([[-1., 1.]]) twice, then of [[-0.5, 0.5]]
"""

_FROZEN_INPUT = """
import os; os.environ["TRITON_INTERPRET"] = "1"
import torch
from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction
weight = torch.zeros(2, 3, requires_grad=True)
LigerFusedLinearCrossEntropyFunction.apply(torch.ones(1, 3), weight, torch.tensor([0]))[0].backward()
print(weight.grad)  # None
"""

_CHUNKS_OF_NOTHING = """
import torch
from torch.nn import LinearCrossEntropyOptions
from torch.nn.functional import linear_cross_entropy
for options in (LinearCrossEntropyOptions(batch_chunk_size=2), None):
    x = torch.zeros(1, 1, requires_grad=True)
    linear_cross_entropy(x, torch.zeros(1, 1), torch.tensor([-100]), options=options).backward()
    print(x.grad)  # tensor([[nan]]), of tensor([[0.]])
"""

_ONCE = """
import torch
x = torch.zeros(3, 5, requires_grad=True)
loss = torch.compile(torch.nn.functional.cross_entropy, dynamic=True)(x, torch.tensor([0, 1, 2]))
torch.autograd.grad(loss, x, retain_graph=True)  # RuntimeError: ... compiled with non-empty donated buffers ...
"""

DISAGREEMENTS: tuple[Disagreement, ...] = (
    Disagreement(
        "torch.compile: a loss gives its gradients once",
        "examples.candidates.torch_compiled cross_entropy",
        "The backward pass of a compiled loss may reuse the memory of what was saved for it, and so is an error where "
        "the graph is kept to be asked again, which eager torch allows. Without `after another backward` it agrees.",
        "intended: torch._functorch.config.donated_buffer, which the error names.",
        _ONCE,
    ),
    Disagreement(
        "cut-cross-entropy: a loss gives its gradients once",
        "examples.candidates.cut_cross_entropy_compiled",
        "As torch.compile, by which it is computed where there is no GPU; it agrees without the same.",
        "as there.",
        _ONCE,
    ),
    Disagreement(
        "torch: a chunked loss in which nothing counts",
        "examples.candidates.torch_chunked",
        "Where every label is ignored the mean is NaN, and so are all gradients of the chunked function; those of the "
        "function that it is documented to be equivalent to are 0.",
        "nothing found; chunked-gradient-of-ignored-labels in [findings.md](findings.md).",
        _CHUNKS_OF_NOTHING,
    ),
    Disagreement(
        "Liger: second derivatives of softmax are 0",
        "examples.candidates.liger:softmax",
        "Its gradient is computed by a kernel that autograd does not see, and is not marked as differentiable once, so "
        "that a second derivative is an error, or 0 where anything else in the sum has one. Without `hvp` it agrees.",
        "nothing found; torch.autograd.function.once_differentiable turns all of these into errors.",
        _SECOND_DERIVATIVE,
    ),
    Disagreement(
        "Liger: the mean of no losses is 0",
        "examples.candidates.liger:cross_entropy",
        "Where every label is ignored it gives 0, and torch NaN, the mean over nothing; either is a choice, and "
        "torch's was discussed. With class weights Triton's interpreter stops with an error, which says nothing about "
        "a GPU.",
        "torch's choice: pytorch/pytorch #70348 and PR #64572.",
        _NOTHING_COUNTS,
    ),
    Disagreement(
        "Liger: the gradient of transposed logits is the logits",
        "examples.candidates.liger:cross_entropy",
        "Logits whose last dimension does not have stride 1 are copied, and whether a gradient is wanted is asked of "
        "the copy, which, made within `forward`, wants none. What is handed back as the gradient is the copy as it "
        "was. The loss is right, and there is no error. It was found by sums, whose mean over nothing is no hindrance.",
        "nothing found; PR #1251 notes the same of the copy that it makes itself.",
        _TRANSPOSED,
    ),
    Disagreement(
        "Liger: a second backward pass starts from the first",
        "examples.candidates.liger:cross_entropy",
        "The gradient of a sum or a mean is multiplied by its upstream gradient in the memory where it is kept, so "
        "that the next pass over the same graph multiplies it once more, with no error; the linear cross-entropy does "
        "the same. An upstream gradient of 1 is passed over, and hides it. Without `after another backward`, `layouts` "
        "and `ignore_index`, and for sums with it, the loss agrees.",
        "nothing found; Dao-AILab/quack PR #209 mends the same of its own, where autograd notices.",
        _SECOND_BACKWARD,
    ),
    Disagreement(
        "Liger: no gradient of the weights when the input has none",
        "examples.candidates.liger:linear_cross_entropy",
        "Whether gradients are computed is decided by the input alone. Where that is frozen, and the weights are "
        "trained, `backward()` ends without an error and leaves no gradient. Without `some gradients`, and without "
        "what is said of the cross-entropy above, it agrees.",
        "nothing found.",
        _FROZEN_INPUT,
    ),
    Disagreement(
        "ONNX Runtime: LogSoftmax of NaN in float64",
        "examples.candidates.onnx_runtime log_softmax",
        "In double precision a NaN that is not the first of its row is lost: the other elements are numbers, here "
        "-log 1e-20. In float32 all are NaN, as they should be; that row of the table fails because the same is asked "
        "in float64 after it.",
        "nothing found.",
        _MODEL,
    ),
    Disagreement(
        "onnx: the reference evaluator takes the logarithm of a softmax",
        "examples.candidates.onnx_reference",
        "LogSoftmax and SoftmaxCrossEntropyLoss are log(softmax(x)): from a gap of 104 in float32, and 746 in float64, "
        "the loss is infinite, and below that it has the digits that a subnormal probability has left.",
        "known, and mended after the release that was asked: onnx/onnx PR #8423.",
        _LOG_OF_SOFTMAX,
    ),
    Disagreement(
        "Optax: 0 log 0 in a divergence",
        "examples.candidates.optax_losses:kl_divergence",
        "A class that has no probability in either distribution makes the divergence NaN, by 0 · (0 + ∞); it adds 0.",
        "known: google-deepmind/optax PR #1786, not merged when this was written.",
        _LOG_OF_ZERO,
    ),
    Disagreement(
        "tinygrad: the logsumexp of a row of -inf",
        "examples.candidates.tinygrad_losses logsumexp",
        "The maximum -inf is subtracted from itself. The logarithm of an empty sum is -inf, as with torch and SciPy.",
        "nothing found.",
        _NO_MAXIMUM,
    ),
    Disagreement(
        "MLX: probabilities are taken to sum to 1",
        "examples.candidates.mlx_losses:cross_entropy",
        "The loss is logsumexp(x) - Σ q x, which is -Σ q log softmax(x) where Σ q = 1. Its gradient for q lacks the "
        "logsumexp, and is right along the simplex alone; of an unnormalised q the loss is another one.",
        "nothing found; the formula came with ml-explore/mlx PR #517.",
        _SUM_OF_SHARES,
    ),
    Disagreement(
        "scikit-learn: probabilities are clipped",
        "examples.candidates.sklearn_log_loss cross_entropy",
        "log_loss clips probabilities at the machine epsilon of their format, so that no loss is above 15.94 in "
        "float32 and 36.04 in float64. It is a choice, and right where a finite score is wanted; the loss it is not.",
        "documented: the notes of sklearn.metrics.log_loss.",
        _CLIPPED,
    ),
)
