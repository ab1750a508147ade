"""What a candidate in a process of its own says it has: which functions, and what they take.

Nobody else can know. So each part is checked against the names that there are, what its user or the adapter says comes
first, and the report tells what is believed for no better reason than that the candidate said so. Its name, its
formats and its layouts, the kinds of input and the checks that it gets are not among what a function can say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..problem.formats import FORMATS
from ..problem.interface import Interface
from ..problem.operations import DIRECTIONAL, OPERATIONS
from .candidate import Candidate
from .capabilities import Capabilities
from .frames import FrameError
from .frameworks import ADAPTERS, FRAMEWORKS
from .plain_text import quoted
from .protocol import LONGEST_NAME, MOST_TEXTS, decoded, encoded, texts

HALF_SMOOTH = 0.5  # above which labels count less than all classes do
DECLARING = ("onnx", "process")  # adapters whose targets say themselves what they take
_PARTS = {"adapter", "operations", "takes", "backwards", "formats", "without", "names", "fixed", "ndim", "output",
          "parameters", "switches", "other_defaults"}  # fmt: skip


@dataclass(frozen=True)
class Description:
    """What is believed: by operation what it takes and which derivatives it has, and its interface."""

    name: str
    adapter: str
    takes: dict[str, frozenset[str]]
    backwards: frozenset[str]
    formats: tuple[str, ...]
    interface: Interface
    reported: tuple[str, ...] = field(default=())  # in words, what it alone has said
    parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)  # names, which are suggested and no more
    switches: dict[str, tuple[str, ...]] = field(default_factory=dict)  # those that are True or False
    other_defaults: dict[str, tuple[str, ...]] = field(default_factory=dict)  # options, which are told and no more

    def supports(self, operation: str, interface: Interface) -> frozenset[str]:
        """Kinds of input unless they are left out, and what it takes of options and optional inputs."""
        about = OPERATIONS[operation]
        kinds = frozenset(about.kinds) - set(DIRECTIONAL)
        options = frozenset(about.extras) - frozenset(about.kinds)
        own = self.takes[operation]
        taken = options & (own if interface.supports is None or self.adapter in DECLARING else interface.supports)
        found = kinds | taken | (own & frozenset(about.kinds) & set(DIRECTIONAL))
        return found - interface.left_out


class Described(Capabilities):
    """Those of a candidate in another process: what of its description is believed."""

    def __init__(self, candidate: Candidate, about: Description) -> None:
        super().__init__(candidate)
        self.about = about

    def supports(self, operation: str) -> frozenset[str]:
        """Which extras it says that it takes."""
        return self.about.supports(operation, self.candidate.interface)

    def parameters(self, operation: str) -> tuple[str, ...]:
        """As its process says."""
        return self.about.parameters[operation]

    def switches(self, operation: str) -> tuple[str, ...]:
        """As its process says."""
        return self.about.switches[operation]

    def other_defaults(self, operation: str) -> tuple[str, ...]:
        """As its process says."""
        return self.about.other_defaults[operation]

    def reported(self, operation: str, /) -> tuple[str, ...]:
        """In words, what it alone has said that bears on the operation."""
        return reported_of(self.about, operation, self.candidate.interface)


def described(candidate: Candidate) -> dict[str, Any]:
    """What a candidate is, as plain data, in its own process."""
    interface = candidate.interface
    return {
        "adapter": candidate.adapter,
        "operations": list(candidate.operations),
        "takes": {name: sorted(candidate.supports(name)) for name in candidate.operations},
        "backwards": list(candidate.backwards),
        "formats": list(candidate.formats),
        "without": sorted(interface.without),
        "names": encoded(dict(interface.names)),
        "fixed": encoded(dict(interface.fixed)),
        "ndim": sorted(interface.ndim),
        "output": interface.output,
        "parameters": {name: _few(candidate.capabilities.parameters(name)) for name in candidate.operations},
        "switches": {name: _few(candidate.capabilities.switches(name)) for name in candidate.operations},
        "other_defaults": {name: list(candidate.capabilities.other_defaults(name)) for name in candidate.operations},
    }


def _few(names: Sequence[str]) -> list[str]:
    """Those that can be sent."""
    return [each for each in names if each.isidentifier() and len(each) <= LONGEST_NAME][:MOST_TEXTS]


def believed(said: Any, target: str, operation: str | None, adapter: str | None, interface: Interface) -> Description:
    """What of a description is believed, of a target whose user has said this much.

    Raises: FrameError where it is not as described, ValueError where there is nothing that could be asked.
    """
    if not isinstance(said, dict) or said.keys() != _PARTS:
        raise FrameError("a description without its parts")
    known_adapter = _adapter(said["adapter"], target, adapter)
    operations = _operations(said["operations"], operation or _by_name(target, known_adapter))
    if not operations:
        raise ValueError(f"target {target!r}: it says that it has no function that could be asked")
    takes = said["takes"]
    if not isinstance(takes, dict) or takes.keys() != set(operations):
        raise FrameError("a description that does not say what each operation takes")
    taken = {name: _some(takes[name], f"what {name} takes", OPERATIONS[name].extras) for name in operations}
    parameters, switches = (_named(said[each], operations, each) for each in ("parameters", "switches"))
    others = said["other_defaults"]
    if not isinstance(others, dict) or others.keys() != set(operations):
        raise FrameError("a description that does not say which options have another default")
    backwards = frozenset(_some(said["backwards"], "backwards", operations))
    formats = _some(said["formats"], "formats", FORMATS) if known_adapter in DECLARING else ()
    full = _interface(said, interface, known_adapter, operations)
    believes = Description(
        Path(target).name if known_adapter == "onnx" else target,
        known_adapter,
        {name: frozenset(each) for name, each in taken.items()},
        backwards,
        tuple(formats),
        full,
        parameters=parameters,
        switches=switches,
        other_defaults={
            name: tuple(_some(others[name], f"defaults of {name}", OPERATIONS[name].options)) for name in operations
        },
    )
    return replace(believes, reported=tuple(_reported(believes, operation, adapter, interface)))


def _named(said: Any, operations: tuple[str, ...], what: str) -> dict[str, tuple[str, ...]]:
    """Names of each operation."""
    if not isinstance(said, dict) or said.keys() != set(operations):
        raise FrameError(f"a description that does not say what the {what} of each operation are called")
    found = {name: tuple(texts(said[name], what)) for name in operations}
    if strange := [each for names in found.values() for each in names if not each.isidentifier()]:
        raise FrameError(f"a description with {what} that are no names in Python: {quoted(strange[0])}")
    return found


def _adapter(said: Any, target: str, adapter: str | None) -> str:
    given = adapter or ("onnx" if target.endswith(".onnx") else None)
    if not isinstance(said, str) or said not in ADAPTERS or (given is None and said in DECLARING):
        raise FrameError("a description with another adapter")
    return given or said


def _by_name(target: str, adapter: str) -> str | None:
    """The operation that a function has the name of, which it can be asked alone, whatever its process says."""
    name = target.rpartition(":")[2] if ":" in target and adapter not in DECLARING else ""
    return name if name in OPERATIONS else None


def _operations(said: Any, operation: str | None) -> tuple[str, ...]:
    named = _some(said, "operations", OPERATIONS)
    if operation is not None and named and list(named) != [operation]:
        raise FrameError(f"a description of another operation than {operation}")
    return tuple(each for each in OPERATIONS if each in named)


def _some(said: Any, name: str, known: Any) -> list[str]:
    """Some of the names that are known, each once."""
    found = texts(said, name)
    if len(set(found)) < len(found) or not set(found) <= set(known):
        raise FrameError(f"a description whose {name} are not among {', '.join(known)}")
    return found


def _interface(said: dict[str, Any], interface: Interface, adapter: str, operations: tuple[str, ...]) -> Interface:
    """The interface that its user gives, with what a program or a model may add, or the name of an axis."""
    names = _mapping(said["names"])
    if adapter not in DECLARING:
        axis = names == {**interface.names, "dim": "axis"} and "dim" not in interface.names
        return replace(interface, names=names) if axis else interface
    extras = {each for name in operations for each in OPERATIONS[name].extras}
    without = frozenset(_some(sorted(set(texts(said["without"], "without")) - interface.without), "without", extras))
    fixed, ndim, output = _mapping(said["fixed"]), said["ndim"], said["output"]
    if why := _trivial(fixed, ndim, interface):
        raise FrameError(f"a description that leaves trivial questions alone: {why}")
    try:
        made = Interface(interface.supports, interface.without | without, names, {**fixed, **interface.fixed},
                         interface.extra, frozenset(ndim) if not interface.ndim else interface.ndim,
                         interface.writes, output, interface.negative, interface.transposed,
                         interface.keepdim, interface.shifted, interface.row_by_row, interface.summed,
                         interface.columns, interface.gradients)  # fmt: skip
        made.check(operations, interface.without, None, "it")
    except (ValueError, TypeError) as error:
        raise FrameError(f"a description that does not fit: {error}") from None
    return made


def _trivial(fixed: dict[str, Any], ndim: Any, interface: Interface) -> str:
    """Why one answer would be right for all problems that it leaves, unless its user has said so; empty if none is."""
    if not interface.ndim and isinstance(ndim, list) and ndim and all(each == 0 for each in ndim):
        return "single numbers, ndim 0, which --ndim 0 alone can say"
    smoothing = fixed.get("label_smoothing", 0)
    is_usual = isinstance(smoothing, int | float) and smoothing <= HALF_SMOOTH
    if "label_smoothing" not in interface.fixed and not is_usual:
        return f"a loss of hardly any label, label_smoothing {smoothing}, which --fixed label_smoothing=… alone can say"
    return ""


def _mapping(said: Any) -> dict[str, Any]:
    """A mapping from a few short texts to numbers or short texts."""
    try:
        found = decoded(said)
        pairs = list(found.items())
        fits = all(isinstance(each, str | int | float) and len(str(each)) <= 64 for pair in pairs for each in pair)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        fits = False
    if not fits or len(pairs) > 64:
        raise FrameError("a description whose names or fixed values are no mapping to short texts and numbers")
    return dict(pairs)


def _reported(about: Description, operation: str | None, adapter: str | None, interface: Interface) -> list[str]:
    """In words, what nobody but the candidate has said."""
    words = []
    if operation is None or about.adapter == "process":
        words.append(f"operations: {', '.join(about.takes)}")
    if adapter is None and about.adapter not in DECLARING:
        words.append(f"adapter: {about.adapter}")
    if about.formats:
        words.append(f"formats: {', '.join(about.formats)}")
    for name in ("without", "fixed", "ndim"):
        more = getattr(about.interface, name) if getattr(about.interface, name) != getattr(interface, name) else ()
        if more and isinstance(more, Mapping):
            words.append(f"{name}: {', '.join(f'{key}={value!r}' for key, value in more.items())}")
        elif more:
            words.append(f"{name}: {', '.join(map(str, sorted(more)))}")
    return words


def reported_of(said: Description, operation: str, interface: Interface) -> tuple[str, ...]:
    """In words, what it alone has said that bears on one operation."""
    about, words = OPERATIONS[operation], list(said.reported)
    if interface.supports is None or said.adapter in DECLARING:
        options = [each for each in about.extras if each not in about.kinds and each in said.takes[operation]]
        words.append(f"{operation} takes {', '.join(options) or 'no options'}")
    if set(DIRECTIONAL) & set(about.kinds):
        directions = [each for each in DIRECTIONAL if each in said.takes[operation]]
        words.append(f"{operation} has {', '.join(directions) or 'no derivatives in a direction'}")
    if about.gradients and not FRAMEWORKS[said.adapter].differentiates:
        own = operation in said.backwards
        words.append(f"{operation} has {'a' if own else 'no'} backward pass")
    return tuple(words)
