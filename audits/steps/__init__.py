"""The steps of the GPU pack, the most valuable first."""

from __future__ import annotations

from ..record import Step
from . import elementary, order, rounding, verify

STEPS: dict[str, Step] = {step.name: step for step in (verify.STEP, elementary.STEP, rounding.STEP, order.STEP)}
