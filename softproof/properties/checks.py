"""All behaviour checks, and where each applies."""

from __future__ import annotations

from functools import partial

from ..problem.outputs import gradient_names
from ..problem.rows import row_length
from .backward import (
    after_another_backward,
    another_call_in_between,
    has_memory,
    holds_twice,
    no_gradients,
    overwritten_before_backward,
    scaled_loss,
    some_gradients,
    summed_loss,
    switched_off,
    two_losses,
    without_value,
)
from .invalid_labels import has_labels, invalid_labels
from .label_types import has_labels_to_cast, labels_of_other_types
from .questions import VALUE_DETACHED, VALUE_DROPPED, Check
from .repeated import (
    after_another_dtype,
    after_another_shape,
    after_other_values,
    asked_many_times,
    asked_twice,
    fits_another_dtype,
    has_rows,
    overwritten_answers,
    two_threads,
    updated_in_place,
)
from .separate_rows import another_layout, has_other_layouts, has_separate_rows, padding_rows, permuted_rows, rows_alone

CHECKS: dict[str, Check] = {
    "asked twice": Check(asked_twice),
    "asked many times": Check(asked_many_times),
    "two threads": Check(two_threads, lambda question: question.candidate.adapter != "process"),
    "overwritten answers": Check(overwritten_answers),
    "after other values": Check(after_other_values, lambda question: row_length(question.problem) > 1),
    "after another dtype": Check(after_another_dtype, fits_another_dtype),
    "after another shape": Check(after_another_shape, has_rows),
    "updated in place": Check(updated_in_place, lambda question: question.candidate.adapter in ("torch", "numpy")),
    "after another backward": Check(
        after_another_backward, lambda question: question.differentiates and not question.beside
    ),
    "two losses": Check(two_losses, holds_twice),
    "some gradients": Check(
        some_gradients, lambda question: question.by_framework and len(gradient_names(question.problem)) > 1
    ),
    "no gradients": Check(no_gradients, lambda question: question.by_framework),
    "no_grad": Check(partial(switched_off, mode="no_grad"), lambda question: question.by_torch),
    "inference_mode": Check(partial(switched_off, mode="inference_mode"), lambda question: question.by_torch),
    "scaled loss": Check(scaled_loss, holds_twice),
    "summed loss": Check(summed_loss, lambda question: question.by_autograd),
    "overwritten before backward": Check(overwritten_before_backward, lambda question: question.by_autograd),
    VALUE_DROPPED: Check(partial(without_value, check=VALUE_DROPPED), has_memory),
    VALUE_DETACHED: Check(partial(without_value, check=VALUE_DETACHED), lambda question: question.by_autograd),
    "another call in between": Check(another_call_in_between, has_memory),
    "invalid labels": Check(invalid_labels, has_labels),
    "labels of another type": Check(labels_of_other_types, has_labels_to_cast),
    "rows alone": Check(rows_alone, has_separate_rows, of_rows=True),
    "rows permuted": Check(permuted_rows, has_separate_rows, of_rows=True),
    "padding rows": Check(padding_rows, has_separate_rows, of_rows=True),
    "another layout": Check(another_layout, has_other_layouts, of_rows=True),
}


LIFETIMES = (VALUE_DROPPED, VALUE_DETACHED)  # one or the other of each problem of a row
OF_LARGE = (*LIFETIMES, "another call in between", "updated in place", "overwritten answers")  # by their bits alone
