"""A candidate, once every argument fits that concerns it: what the judge checks, and what its own process does."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..problem.formats import FORMATS
from ..problem.interface import Interface, InterfaceArguments
from ..problem.operations import OPERATIONS
from ..problem.validation import check_name, check_names, check_text, did_you_mean, is_whole, shown
from .candidate import Candidate
from .directives import NAMES_OF_CHECKS
from .frameworks import ADAPTERS, arrays_of
from .loading import Target, load

MOST_EXAMPLES = 10**7
DTYPES = ("float64", "float32")  # that are asked by default


def prepare(
    target: Target,
    operation: str | None,
    adapter: str | None,
    device: str,
    dtypes: Sequence[str] | None,
    interface: InterfaceArguments,
    tried: bool = True,
    folders: Sequence[str] = (),
) -> Candidate:
    """The candidate of arguments that fit (`check_arguments`); ValueError or TypeError where it does not fit them.

    Its modules are looked up in `folders` first, and then where this process looks.
    """
    sys.path[:0] = folders
    candidate = load(target, operation, adapter, tried=tried, **interface)
    arrays_of(candidate.adapter).check_device(device)
    check_dtypes(candidate, dtypes)
    return candidate


def check_arguments(
    operation: str | None,
    adapter: str | None,
    device: str,
    dtypes: Sequence[str] | None,
    examples: int,
    interface: InterfaceArguments,
) -> Interface:
    """ValueError or TypeError for what does not fit, whatever the target is; the interface that is meant."""
    if dtypes is not None:
        check_names("dtypes", dtypes, dtypes if isinstance(dtypes, str) else "float32")
    if not is_whole(examples) or not 1 <= examples <= MOST_EXAMPLES:
        expected = f"a whole number of at least 1, and at most {MOST_EXAMPLES}"
        raise ValueError(f"examples is {shown(examples)}; expected {expected}")
    check_text("device", device, "the name of one, such as 'cpu'")
    if dtypes is not None and not dtypes:
        raise ValueError(f"dtypes is {shown(dtypes)}; expected at least one name")
    for dtype in dtypes or ():
        if dtype not in FORMATS:
            meant = did_you_mean(dtype, FORMATS)
            raise ValueError(f"dtypes: dtype is {dtype!r}; expected one of {', '.join(FORMATS)}{meant}")
    if adapter is not None:
        check_name("adapter", adapter, ADAPTERS)
    if operation is not None:
        check_name("operation", operation, OPERATIONS)
    found = Interface().but(interface)
    found.check_words(NAMES_OF_CHECKS)
    return found


def check_dtypes(candidate: Candidate, dtypes: Sequence[str] | None) -> None:
    """ValueError where formats are asked that the candidate does not have."""
    for dtype in dtypes_of(candidate, dtypes):
        if dtype not in candidate.dtypes:
            whose = candidate.name if candidate.formats else f"the {candidate.adapter} adapter"
            raise ValueError(f"dtypes: dtype is {dtype!r}; {whose} has {', '.join(candidate.dtypes)}")


def dtypes_of(candidate: Candidate, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The formats that are asked: those that are wanted, or of the two of every day those that the candidate has."""
    return tuple(wanted or [each for each in DTYPES if each in candidate.dtypes] or candidate.dtypes)
