"""Softmax, cross-entropy and backpropagation by hand, in NumPy and nothing else.

Read the files in this order: softmax, log_softmax, logsumexp, information, softmax_information, loss, cross_entropy,
accurate, linear, backprop. Beside each, read the file of the same name in `reference`, which does the same with torch.
The judge tests both and trusts neither. docs/theory/backprop.md derives the equations, and examples/backprop.ipynb
tries them out.
"""

from .accurate import accurate_cross_entropy as accurate_cross_entropy
from .accurate import accurate_cross_entropy_backward as accurate_cross_entropy_backward
from .backprop import linear_cross_entropy as linear_cross_entropy
from .backprop import linear_cross_entropy_backward as linear_cross_entropy_backward
from .backprop import probabilities_gradient as probabilities_gradient
from .backprop import weight_gradient_fused as weight_gradient_fused
from .backprop import weight_gradient_over_all_paths as weight_gradient_over_all_paths
from .backprop import weight_gradient_through_one_path as weight_gradient_through_one_path
from .cross_entropy import cross_entropy as cross_entropy
from .cross_entropy import cross_entropy_backward as cross_entropy_backward
from .cross_entropy import cross_entropy_hvp as cross_entropy_hvp
from .cross_entropy import cross_entropy_jvp as cross_entropy_jvp
from .information import distribution_cross_entropy as distribution_cross_entropy
from .information import distribution_cross_entropy_backward as distribution_cross_entropy_backward
from .information import entropy as entropy
from .information import entropy_backward as entropy_backward
from .information import kl_divergence as kl_divergence
from .information import kl_divergence_backward as kl_divergence_backward
from .linear import linear as linear
from .linear import linear_backward as linear_backward
from .log_softmax import log_softmax as log_softmax
from .log_softmax import log_softmax_backward as log_softmax_backward
from .log_softmax import log_softmax_hvp as log_softmax_hvp
from .log_softmax import log_softmax_jvp as log_softmax_jvp
from .logsumexp import logsumexp as logsumexp
from .logsumexp import logsumexp_backward as logsumexp_backward
from .logsumexp import logsumexp_hvp as logsumexp_hvp
from .logsumexp import logsumexp_jvp as logsumexp_jvp
from .softmax import softmax as softmax
from .softmax import softmax_backward as softmax_backward
from .softmax import softmax_hvp as softmax_hvp
from .softmax import softmax_jacobian as softmax_jacobian
from .softmax import softmax_jvp as softmax_jvp
from .softmax_information import softmax_entropy as softmax_entropy
from .softmax_information import softmax_entropy_backward as softmax_entropy_backward
from .softmax_information import softmax_kl_divergence as softmax_kl_divergence
from .softmax_information import softmax_kl_divergence_backward as softmax_kl_divergence_backward
