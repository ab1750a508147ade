"""What is right in the wrong calls, and the form of a table of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from softproof import Problem

Call = Callable[[Any], object]  # of the module whose functions are called
Table = dict[str, tuple[Call, type[BaseException], str]]  # the call, the kind of error, and a part of its text

X = np.arange(6.0).reshape(2, 3)  # logits (N, C)
Y = np.array([0, 2])  # labels (N,)
Q = np.full((2, 3), 0.25)  # probabilities (N, C)
W = np.ones((3, 4))  # linear weight (C, D)
V = np.ones((2, 4))  # linear input (N, D)
ARRAYS = (X, Y, Q, W, V)

ROW: dict[str, Any] = {"logits": [0.0, 1.0]}
LOSS: dict[str, Any] = {"logits": [[0.0, 1.0]], "target": [0]}
LAYER: dict[str, Any] = {"input": [[1.0, 2.0]], "linear_weight": [[1.0, 1.0]], "target": [0]}
GOOD = Problem("softmax", "float32", ROW, {"dim": -1})
