"""What is no array of floating-point numbers, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np

NO_ANSWERS: dict[str, tuple[Any, str]] = {
    "a mask": (np.ma.masked_array([0.25, 0.75], [False, True]), "values is a MaskedArray; expected a NumPy array"),
    "complex numbers": (np.array([0.25 + 1j, 0.75]), "values has dtype complex128; expected floating-point numbers"),
    "words": (np.array(["0.25", "0.75"]), "values has dtype <U4; expected floating-point numbers"),
    "objects": (np.array([0.25, 0.75], object), "values has dtype object; expected floating-point numbers"),
    "bools": (np.array([True, False]), "values has dtype bool; expected floating-point numbers"),
    "integers": (np.array([1, 0]), "values has dtype int64; expected floating-point numbers"),
    "a subclass": (np.array([0.25, 0.75]).view(np.recarray), "values is a recarray; expected a NumPy array"),
    "a list": ([0.25, 0.75], "values is a list; expected a NumPy array"),
}
