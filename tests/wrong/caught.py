"""Misbehaving implementations, and the check of behaviour that catches each."""

from __future__ import annotations

from ..wrong import misbehaving as wrong

# makes the candidate, operation, adapter, the way, and how its explanation begins
CAUGHT = [
    (wrong.wrong_the_second_time, "softmax", "numpy", "asked twice", "asked twice: "),
    (wrong.tuned_after_some_calls, "softmax", "numpy", "asked many times", "asked many times: value["),
    (
        wrong.one_workspace_for_all_threads,
        "softmax",
        "numpy",
        "two threads",
        "while another thread asks something else",
    ),
    (wrong.cached_by_shape, "softmax", "numpy", "after other values", "after other values of the same shape: "),
    (wrong.kernel_of_the_first_dtype, "softmax", "torch", "after another dtype", "in float64 after float32: "),
    (wrong.scratch_of_the_largest_batch, "softmax", "numpy", "after another shape", "asked again after another shape"),
    (wrong.one_buffer_for_all_results, "softmax", "numpy", "overwritten answers", "after its answers were overwritten"),
    (wrong.cached_by_shape, "softmax", "numpy", "rows permuted", "with its rows in the opposite order: "),
    (wrong.gradient_of_the_first_pass, "log_softmax", "torch", "after another backward", "after a backward pass with"),
    (wrong.gradient_that_gathers, "log_softmax", "torch", "two losses", "with two losses on one tensor: "),
    (wrong.gradient_that_is_stored_too, "log_softmax", "torch", "scaled loss", "by backward() of twice the loss: "),
    (wrong.gradient_of_packed_memory, "log_softmax", "torch", "summed loss", "by backward() of the sum: "),
    (wrong.gradient_of_a_sum_forgotten, "log_softmax", "torch", "summed loss", "by backward() of the sum"),
    (wrong.linear_for_training_alone, "linear", "torch", "some gradients", "with requires_grad for input alone: "),
    (wrong.never_without_gradients, "softmax", "torch", "no gradients", "with requires_grad for nothing: "),
    (wrong.never_under_no_grad, "softmax", "torch", "no_grad", "under no_grad: raised RuntimeError"),
    (wrong.in_place_under_no_grad, "softmax", "torch", "no_grad", "under no_grad: the call changed its input logits"),
    (wrong.never_in_inference_mode, "softmax", "torch", "inference_mode", "under inference_mode: raised"),
    (
        wrong.value_kept_on_ctx,
        "log_softmax",
        "torch",
        "overwritten before backward",
        "with value overwritten before the backward pass: ",
    ),
    (wrong.gradient_once_nobody_holds_the_value, "log_softmax", "torch", "value dropped", "value dropped: grad_logits"),
    (wrong.value_given_back_too_early, "log_softmax", "torch", "value detached", "value detached: value[0, 0]: got"),
    (wrong.saved_for_the_last_call, "log_softmax", "torch", "another call in between", "with another call before the"),
    (wrong.logits_by_address, "softmax", "torch", "updated in place", "after its arrays were updated in place: value"),
    (
        wrong.by_address_in_inference,
        "softmax",
        "torch",
        "updated in place",
        "asked for its value alone, after its arrays",
    ),
    (wrong.labels_modulo_classes, "cross_entropy", "torch", "invalid labels", "with the label 3 among 3 classes"),
    (wrong.negative_labels_from_the_end, "cross_entropy", "numpy", "invalid labels", "with the label -1 among 3"),
    (
        wrong.places_in_the_type_of_the_labels,
        "cross_entropy",
        "numpy",
        "labels of another type",
        "with labels in uint8: value: got",
    ),
    (
        wrong.labels_read_as_they_lie,
        "cross_entropy",
        "torch",
        "labels of another type",
        "with labels in int32: ",
    ),
    (wrong.blocks_of_twelve_rows, "softmax", "torch", "padding rows", "with other rows before and after: "),
    (wrong.batch_of_one_is_no_batch, "softmax", "torch", "rows alone", "with row 0 alone: "),
    (wrong.last_row_first, "softmax", "torch", "rows permuted", "with its rows in the opposite order: "),
    (wrong.strides_ignored, "softmax", "torch", "another layout", "laid out "),
]
