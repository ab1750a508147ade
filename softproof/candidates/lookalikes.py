"""What a parameter may be another name for: by the names that people give it, and by how it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..problem.operations import OPERATIONS
from .guesses import words_of

if TYPE_CHECKING:
    from .candidate import Candidate

ALIASES = {  # names in use, of PyTorch, JAX, Triton kernels and papers
    "ignore_index": ("ignore_idx", "ignored_index", "ignore_label", "ignore", "padding_idx", "pad_id", "pad_token_id"),
    "label_smoothing": ("smoothing", "label_smooth", "smooth", "eps", "epsilon", "ls", "ls_eps"),
    "reduction": ("reduce", "red", "agg", "mode"),
    "weight": ("class_weight", "class_weights", "weights", "cls_weight", "ce_weight"),
    "dim": ("axis", "d", "axes"),
    "keepdim": ("keepdims", "keep_dim", "keep_dims"),
    "linear_bias": ("bias", "b", "lm_head_bias"),
    "bias": ("b", "linear_bias"),
}
CLOSE = 0.75  # of difflib's measure
DOUBTFUL = frozenset(  # names that are as often those of something else
    (
        "ignore",
        "padding_idx",
        "pad_id",
        "pad_token_id",
        "smooth",
        "eps",
        "epsilon",
        "ls",
        "red",
        "agg",
        "mode",
        "d",
        "b",
        "weights",
    )
)


def lookalikes(operation: str, parameters: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """For optional inputs and options that a function does not have by name: the parameter that looks like it.

    `known` has the names that are given already. The positional inputs come first, whatever they are called, unless
    they have names.

    >>> lookalikes("cross_entropy", ["scores", "labels", "ignore_idx", "chunk"], {})
    {'ignore_index': 'ignore_idx'}
    """
    about, names = OPERATIONS[operation], list(parameters)
    wanted = [each for each in (*about.optional, *about.options) if each not in names and each not in known]
    taken = {*about.extras, *about.inputs, *known.values()}
    first = next((place for place, name in enumerate(about.inputs) if name in known), len(about.inputs))
    free = [each for each in names[first:] if each not in taken]
    similar: dict[str, str] = {}
    for name in wanted:
        alias = next((each for each in free if each.lower() in ALIASES.get(name, ())), None)
        close = get_close_matches(name, free, 1, CLOSE)
        if theirs := alias or next(iter(close), None):
            similar[name] = theirs
            free.remove(theirs)
    return similar


def lookalikes_of(candidate: Candidate, operation: str, known: Mapping[str, str]) -> dict[str, str]:
    """Those of a candidate; a parameter that is True or False is `keepdim` alone."""
    about = candidate.capabilities
    found, switches = lookalikes(operation, about.parameters(operation), known), about.switches(operation)
    return {ours: theirs for ours, theirs in found.items() if theirs not in switches or ours == "keepdim"}


_MASK = r"\b(mask|masks|valid|keep|(sample|token|row|example|loss|target|label) weights?)\b|^weights$"


def is_mask(parameter: str) -> bool:
    """Whether a parameter of this name is likely to tell which rows of a loss count.

    >>> is_mask("loss_mask"), is_mask("validRows"), is_mask("sample_weight"), is_mask("weights"), is_mask("weight")
    (True, True, True, True, False)
    """
    return bool(re.search(_MASK, words_of(parameter)))


def is_certain(option: str, theirs: str) -> bool:
    """Whether a parameter of this name can be taken for the option without trying it out.

    >>> is_certain("ignore_index", "ignore_idx"), is_certain("label_smoothing", "eps")
    (True, False)
    """
    return theirs.lower() in ALIASES.get(option, ()) and theirs.lower() not in DOUBTFUL
