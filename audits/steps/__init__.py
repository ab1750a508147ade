"""The steps of the GPU pack, the most valuable first."""

from __future__ import annotations

from ..record import Step
from . import elementary, order, pairs, rounding, verify

MODULES = (verify, elementary, rounding, order, pairs)
STEPS: dict[str, Step] = {module.STEP.name: module.STEP for module in MODULES}
