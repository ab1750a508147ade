"""What is known of an adapter before its module is imported, and that module."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from ..problem.problem import COMMON_LAYOUTS, LAYOUTS

ADAPTERS = ("numpy", "torch", "jax", "onnx", "process")
_NUMPYS = ("onnx", "process")  # adapters whose functions take and give NumPy's arrays


@dataclass(frozen=True)
class Framework:
    """What is known of an adapter before its module is imported."""

    dtypes: tuple[str, ...]
    layouts: tuple[str, ...]
    differentiates: bool = False


_THREE, _FOUR = ("float64", "float32", "float16"), ("float64", "float32", "float16", "bfloat16")
FRAMEWORKS = {
    "torch": Framework(_FOUR, COMMON_LAYOUTS, differentiates=True),
    "jax": Framework(_FOUR, ("contiguous",), differentiates=True),
    **dict.fromkeys(("numpy", *_NUMPYS), Framework(_THREE, tuple(LAYOUTS))),
}


@cache
def arrays_of(name: str) -> ModuleType:
    """The module of an adapter."""
    return importlib.import_module(f".adapters.{'numpy' if name in _NUMPYS else name}_arrays", __package__)
