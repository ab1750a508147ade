"""The steps of the GPU pack, the most valuable first."""

from __future__ import annotations

from ..record import Step
from . import asynchronous, elementary, findings, kernels, order, pairs, rounding, suite, verify

MODULES = (verify, elementary, rounding, order, pairs, suite, kernels, asynchronous, findings)
STEPS: dict[str, Step] = {module.STEP.name: module.STEP for module in MODULES}
