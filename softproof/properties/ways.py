"""All ways of asking, and where each applies."""

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
from .questions import VALUE_DETACHED, VALUE_DROPPED, Way
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

WAYS: dict[str, Way] = {
    "asked twice": Way(asked_twice),
    "asked many times": Way(asked_many_times),
    "two threads": Way(two_threads, lambda question: question.candidate.adapter != "process"),
    "overwritten answers": Way(overwritten_answers),
    "after other values": Way(after_other_values, lambda question: row_length(question.problem) > 1),
    "after another dtype": Way(after_another_dtype, fits_another_dtype),
    "after another shape": Way(after_another_shape, has_rows),
    "updated in place": Way(updated_in_place, lambda question: question.candidate.adapter in ("torch", "numpy")),
    "after another backward": Way(after_another_backward, lambda question: question.differentiates),
    "two losses": Way(two_losses, holds_twice),
    "some gradients": Way(
        some_gradients, lambda question: question.by_framework and len(gradient_names(question.problem)) > 1
    ),
    "no gradients": Way(no_gradients, lambda question: question.by_framework),
    "no_grad": Way(partial(switched_off, mode="no_grad"), lambda question: question.by_torch),
    "inference_mode": Way(partial(switched_off, mode="inference_mode"), lambda question: question.by_torch),
    "scaled loss": Way(scaled_loss, holds_twice),
    "summed loss": Way(summed_loss, lambda question: question.by_autograd),
    "overwritten before backward": Way(overwritten_before_backward, lambda question: question.by_autograd),
    VALUE_DROPPED: Way(partial(without_value, way=VALUE_DROPPED), has_memory),
    VALUE_DETACHED: Way(partial(without_value, way=VALUE_DETACHED), lambda question: question.by_autograd),
    "another call in between": Way(another_call_in_between, has_memory),
    "invalid labels": Way(invalid_labels, has_labels),
    "rows alone": Way(rows_alone, has_separate_rows, of_rows=True),
    "rows permuted": Way(permuted_rows, has_separate_rows, of_rows=True),
    "padding rows": Way(padding_rows, has_separate_rows, of_rows=True),
    "another layout": Way(another_layout, has_other_layouts, of_rows=True),
}


LIFETIMES = (VALUE_DROPPED, VALUE_DETACHED)  # one or the other of each problem of a row
OF_LARGE = (*LIFETIMES, "another call in between", "updated in place", "overwritten answers")  # by their bits alone
