"""What is set, and not drawn, of a problem that is to lie in a region: so that a region that was missed is made.

Whatever is not set here is drawn as ever. A region with no entry, and no part that has one, is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..problem.problem import LAYOUTS
from .drawn_arrays import NEAR_OVERFLOW
from .masks import CHUNKS, FEWER_BITS, RUN
from .regions.usual import USUAL

Settings = Mapping[str, Any]  # what is set, by name; the names are those that `strategies` asks for

_SIZES: Settings = {"kind": "batch", "widths": (3, 5, 2), "rows": (2, 3, 5)}
_LABELS: Settings = {"target": "labels"}
_SOME: Settings = {"target": "labels", "share": 0.4, "kind": "batch", "rows": (5, 8, 9, 12)}
_MASKED: Settings = {"masks": "some", "strange": False}
_FINITE: Settings = {"masks": "none", "strange": False}
_FEW: Settings = {"kind": "batch", "widths": (2, 3, 5, 9)}
_PLAIN: Settings = {"target": "labels", "share": 0.0, "weight": False, "smoothing": 0.0}
_CHUNKS: Settings = {**_LABELS, **_FEW, "rows": CHUNKS}

SETTINGS: dict[str, Settings] = {
    # sizes
    "a number alone": {"rare": "scalars"},
    "no classes": {"rare": "empty_classes"},
    "one class": {"widths": (1,)},
    "more than 100 classes": {"widths": (127, 129, 255), "wide": ("classes", (129, 255))},
    "more than 500 classes": {"widths": (513, 780), "wide": ("classes", (513, 600))},
    "classes past a tile of 256": {"wide": ("classes", (257, 300, 513))},
    "features past a tile of 256": {"wide": ("features", (257, 300, 513))},
    "more than 100 features": {"wide": ("features", (127, 200))},
    "more than 130 features, a bias": {"wide": ("features", (131, 257)), "bias": True},
    "as many rows as classes, a bias": {
        "square": True, "bias": True, "wide": ("classes", (2, 3, 5)), "upstream": "different"
    },
    "as many rows as classes": {"kind": "batch", "widths": (3,), "rows": (3,)},
    "no rows, one class": {"rows": (0,), "bias": True},
    "all sizes multiples of 8": {
        "kind": "batch", "others": 1, "widths": (8, 16), "rows": (8, 16), "upstream": "different"
    },
    "more than four dimensions": {**_PLAIN, "kind": "spatial", "others": 4, "widths": (3, 2, 5), "rows": (2, 3)},
    "as many positions as classes, strided": {
        **_PLAIN, "kind": "spatial", "others": 2, "widths": (9,), "rows": (9,), "layout": ("logits", "transposed")
    },
    "several dims that are kept": {
        **_FINITE, "several": True, "others": 2, "keepdim": True, "widths": (3, 5, 2), "rows": (2, 3),
        "upstream": "different",
    },
    "more than three dimensions of features": {"others": 3, "rows": (2, 3)},
    "rows, classes and features past a tile of 128": {
        "others": 1, "rows": (130,), "wide": ("both", (130, 136)), "upstream": "different"
    },
    "rows and classes past a tile of 128": {
        **_PLAIN, "rows": (130,), "wide": ("classes", (130, 136)), "upstream": "different"
    },
    "a value beyond the largest number": {"factors": "beyond", "others": 1, "rows": (2, 3), "upstream": "different"},
    "no features, a bias": {"wide": ("features", (0,)), "bias": True, "rows": (2, 3)},
    # calls that are made most
    USUAL: {
        "kind": "batch", "others": 1, "widths": (5, 3, 7), "rows": (5, 3), "masks": "none", "strange": False,
        "contiguous": True, "upstream": "different", "keepdim": False, **_PLAIN,
    },
    "no batch": {"kind": "unbatched"},
    "as many rows as classes, weights, probabilities": {
        **_FINITE, **_FEW, "target": "probabilities", "weight": True, "smoothing": 0.0, "square": True
    },
    "no batch, weights, reduction mean": {
        **_PLAIN, "kind": "unbatched", "weight": True, "reduction": "mean"
    },
    # logits
    "masked classes": _MASKED,
    "32 masked classes side by side": {**_MASKED, "widths": (129, 257, 513), "masks": "runs"},
    "all classes masked but one": {**_MASKED, "widths": (3, 4, 5, 7), "masks": "runs"},
    "a row of the lowest number": {**_SIZES, "masks": "lowest", "strange": False},
    "a row of -inf": {**_SIZES, "strange": True, "row": "-inf alone", "reduction": "none"},
    "a row with +inf": {**_SIZES, "strange": True, "row": "one +inf", "reduction": "none"},
    "a row with NaN": {**_SIZES, "strange": True, "row": "NaN", "reduction": "none"},
    # upstream gradients
    "an upstream gradient of zero": {"upstream": "zero"},
    "upstream gradients that differ": {**_SIZES, "upstream": "different", "reduction": "none"},
    "one upstream gradient for all": {**_SIZES, "upstream": "alike", "reduction": "none"},
    "an upstream gradient near overflow": {**_SIZES, "upstream": NEAR_OVERFLOW},
    "an upstream gradient of 1 before others": {**_SIZES, **_PLAIN, "upstream": "first 1", "reduction": "none"},
    "an upstream gradient of 0 before others": {**_SIZES, **_PLAIN, "upstream": "first 0", "reduction": "none"},
    # targets and options
    "labels": _LABELS,
    "probabilities": {"target": "probabilities"},
    "reduction none": {"reduction": "none"},
    "reduction sum": {"reduction": "sum"},
    "reduction mean": {"reduction": "mean"},
    "weights": {"weight": True},
    "smoothing": {"smoothing": 0.1},
    "smoothing 1": {"smoothing": 1.0},
    "some rows ignored": _SOME,
    "all rows ignored": {**_LABELS, "share": 1.0},
    "all rows ignored but one": {**_LABELS, "share": RUN, **_SIZES, "rows": (3,)},
    "an ignore_index of -1": {**_SOME, "ignore_index": -1},
    "an ignore_index that is a class": {**_SOME, "ignore_index": 0},
    "an ignore_index that is a label in 32 bits": {
        **_PLAIN, **_SOME, **_FINITE, "ignore_index": FEWER_BITS, "upstream": "different"
    },
    "the last of many rows ignored by a class": {
        **_PLAIN, **_FEW, **_FINITE, "rows": (65, 129, 257), "share": RUN, "run": "suffix", "ignore_index": 0,
        "upstream": "different",
    },
    "several rows count, some are ignored, reduction sum": {**_SOME, "reduction": "sum", "upstream": "different"},
    "labels, as many as classes": {**_LABELS, **_FINITE, **_FEW, "square": True, "share": 0.0},
    "a chunk of ignored rows before others": {**_CHUNKS, "share": RUN, "upstream": "different"},
    "more rows than a chunk, reduction mean": {**_CHUNKS, "share": 0.0, "reduction": "mean"},
    "a row without probability": {**_SIZES, "target": "probabilities", "no share": True},
    # logits and targets
    "NaN or inf in ignored rows": {**_SOME, "strange": True},
    "a label that is masked": {**_LABELS, **_MASKED, "label masked": True, "share": 0.0},
    "a masked class beside a label that is not": {**_LABELS, **_MASKED, "label masked": False, "smoothing": 0.0},
    "-inf where a probability is 0": {**_MASKED, "target": "probabilities"},
    # images
    "as many rows as pixels, reduction none": {**_FINITE, "reduction": "none", "kind": "spatial", "fits": True},
    "images that count differently, reduction mean": {
        **_LABELS, **_FINITE, "share": 0.4, "reduction": "mean", "kind": "spatial", "rows": (3, 5), "widths": (2, 3)
    },
    "an odd label above 256": {**_LABELS, "widths": (513, 780, 1025), "share": 0.0},
    "a label near the last of 100 classes": {
        **_PLAIN, "kind": "batch", "widths": (127, 129, 257), "labels": "near the end"
    },
    "whole logits far from 0": {**_PLAIN, "factors": "whole", "widths": (3, 5, 2), "rows": (3, 5)},
}  # fmt: skip


def settings_of(region: str) -> Settings:
    """What is set so that a problem is likely to lie in a region, or in each of those that its name lists.

    >>> settings_of("weights, reduction sum")
    {'weight': True, 'reduction': 'sum'}
    """
    if region in SETTINGS:
        return SETTINGS[region]
    array, _, layout = region.rpartition(" ")
    if layout in LAYOUTS:
        return {**_SIZES, "layout": (array, layout), "reduction": "none", "bias": True, "weight": True}
    parts = region.split(", ") if ", " in region else []
    return {name: value for part in parts for name, value in settings_of(part).items()}
