"""How a candidate is called, where that differs from its counterpart in torch.nn.functional."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypedDict

import numpy as np

from .arrangements import ARRANGEMENTS, Arrangement, check_together, may_keep
from .class_masks import check_class_masks
from .kinds import SHAPES
from .operations import OF_REDUCTIONS, OPERATIONS
from .option_values import check_option, has_value
from .outputs import gradient_names
from .problem import Problem
from .row_masks import MASKS
from .rows import main_input
from .size_limits import check_sizes, is_beyond, is_limit, limit
from .validation import check_flag, check_mapping, check_names, check_text, check_whole, shown

Place = int | str  # of one of several results: its number, counted from 0, or its name
DIMENSIONS = range(6)  # of the arrays that are drawn
HALF_VALUE = "half_value"  # in `without`: in half precision a value in float32 is rounded
GRADIENT_OF = "gradient_of_"  # in `without`, and then an input: it is taken for a constant


class InterfaceArguments(TypedDict, total=False):
    """The keyword arguments of `Interface`, as `softproof.load` and `softproof.verify` take them."""

    supports: Sequence[str] | None
    without: Sequence[str]
    names: Mapping[str, str]
    fixed: Mapping[str, Any]
    extra: Mapping[str, Any]
    ndim: Sequence[int]
    writes: Sequence[str]
    output: Place | None
    negative: bool
    transposed: Sequence[str]
    keepdim: Sequence[str]
    shifted: bool
    row_by_row: bool
    summed: bool
    columns: bool
    gradients: Mapping[str, Place]


@dataclass(frozen=True)
class Interface:
    """What a function takes, and how it calls that.

    Args:
        supports: the optional inputs and options that it takes; by default those that its signature names.
        without: those of them that are not to be asked, and kinds of input that it does not take; ``"gradient"`` where
            its value alone is meant; ``"layouts"`` where arrays have to be contiguous; ``"half_value"`` where the value
            in half precision is given in float32, and is to be rounded before it is judged;
            ``"gradient_of_p_logits"`` where it takes an input for a constant; sizes, such as
            ``"more_than_65536_classes"``; and behaviour checks, such as ``"after another backward"``.
        names: what it calls an input or an option, such as ``{"dim": "axis"}``. A positional input that has a name here
            is given by that name. A mask of the rows of a loss is ``"counted"`` (True where a row counts),
            ``"ignored"`` (True where it does not) or ``"row_weights"`` (1 or 0): it says what `ignore_index` says.
        fixed: options that it does not take, and the values that it has instead, such as ``{"reduction": "none"}``;
            for a cross-entropy ``{"dim": -1}`` says that its classes lie along the last axis, (N, d1, …, C).
        extra: arguments of its own that are always given, by name; ``"@classes"``, ``"@rows"``, ``"@batch"``,
            ``"@positions"`` and ``"@features"`` are these sizes of each question: ``{"vocab_size": "@classes"}``;
            ``"@none"`` is None; ``"@true"``, ``"@false"``, ``"@ones"`` and ``"@zeros"`` are masks of the shape of the
            logits, and with ``"_rows"`` of the rows. Masks of classes are ``"@counted"`` and ``"@ignored"``, True where
            a logit is not -inf or is, with ``"_ones"`` 1 and 0, and ``"@added"``; another logit is given there.
        ndim: how many dimensions the logits, probabilities or features may have; by default any number.
        writes: inputs that it is documented to overwrite. It is given a copy of these.
        output: which of several results is the value, counted from 0, or by its name in a mapping or an object; by
            default there is one. ``"1.dW"`` is in result 1.
        negative: whether its result is minus the value, as a log-probability is minus the loss of its label.
        transposed: matrices that it takes with their last two axes swapped, such as a weight (features, classes).
        keepdim: what keeps the axis of classes, with size 1: ``"target"`` where labels are (N, 1), ``"value"`` where
            losses without a reduction, or entropies, are; or a mask. `logsumexp` has an option of this name.
        shifted: whether a loss compares the logits of each position with the next label, as losses of language models
            do that take whole sequences. It is given one position of logits more at the end, and one label more in
            front, which do not count: the gradient of that position has to be 0.
        row_by_row: whether it is given one row at a time, since it gives one number for all that it is given, such as a
            sum of divergences.
        summed: whether what it gives is added up, such as a loss of each sequence, (B,); `fixed` has the reduction
            ``"sum"`` then.
        columns: whether it takes a row in each column: features (D, N), logits and target probabilities (C, N), and a
            bias (C, 1); where there is an option `dim`, fix that instead.
        gradients: which of several results are gradients, and of which input, such as ``{"logits": 1}``: those for an
            upstream gradient of 1. `output` is 0 then, unless it says otherwise.

    `softproof.load` and `softproof.verify` take the same arguments, as lists, and check them.

    >>> interface = Interface(names={"label_smoothing": "smoothing"}, fixed={"reduction": "none"}, ndim=frozenset({2}))
    >>> interface.given({"label_smoothing": 0.1, "reduction": "none"})
    {'smoothing': 0.1}
    >>> losses = Problem("cross_entropy", "float32", {"logits": [[0.0]], "target": [0]}, {"reduction": "none"})
    >>> interface.takes(losses), Interface(fixed={"reduction": "sum"}).takes(losses)
    (True, False)
    """

    supports: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    ndim: frozenset[int] = frozenset()
    writes: frozenset[str] = frozenset()
    output: Place | None = None
    negative: bool = False
    transposed: frozenset[str] = frozenset()
    keepdim: frozenset[str] = frozenset()
    shifted: bool = False
    row_by_row: bool = False
    summed: bool = False
    columns: bool = False
    gradients: Mapping[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _FLAGS:
            check_flag(name, getattr(self, name))
        made: dict[str, Any] = {name: check_mapping(name, getattr(self, name), _EXAMPLES[name]) for name in _MAPPINGS}
        for theirs in made["names"].values():
            check_text("names", theirs, f"a mapping to names, such as {_EXAMPLES['names']}")
        for name in _COLLECTIONS:
            value = getattr(self, name)
            made[name] = value if value is None and name == "supports" else frozenset(check_names(name, value, "dim"))
        check_sizes(made["extra"])
        check_together(made["fixed"], self._arrangements)
        made["ndim"] = check_dimensions(self.ndim)
        for name, how in self._arrangements.items():
            made["ndim"] = how.check(name, made["ndim"])
        if self.output is not None:
            made["output"] = check_place("output", self.output)
        if made["gradients"]:
            made["output"] = 0 if self.output is None else made["output"]
            _check_apart(made["gradients"], made["output"])
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def but(self, arguments: InterfaceArguments) -> Interface:
        """With other arguments; TypeError or ValueError where one is not of the kind that is expected."""
        known = [each.name for each in fields(self)]
        if unknown := set(arguments) - set(known):
            raise TypeError(f"unknown argument {', '.join(sorted(unknown))}; an interface has {', '.join(known)}")
        given: dict[str, Any] = dict(arguments)
        kept = {name for name in (*_COLLECTIONS, "ndim") if given.get(name, ()) is None}
        return replace(self, **{name: value for name, value in given.items() if name not in kept})

    def check(self, operations: Iterable[str], checks: Iterable[str], taken: Set[str] | None, whose: str) -> None:
        """ValueError or TypeError where it names what none of the operations has, or a value that none takes.

        `checks` are those of behaviour, `taken` the parameters of the functions, as far as they are known.
        """
        operations, checks = tuple(operations), tuple(checks)
        for name, how in self._arrangements.items():
            how.check_operations(name, operations)
        check_class_masks(self.extra, operations, row_by_row=self.row_by_row)
        inputs = {each for name in operations for each in OPERATIONS[name].inputs}
        extras = {each for name in operations for each in OPERATIONS[name].extras}
        options = {each for name in operations for each in OPERATIONS[name].options}
        kinds = {each for name in operations for each in OPERATIONS[name].kinds}
        arrays = inputs | {each for name in operations for each in OPERATIONS[name].optional}
        words = {each for each in self.without - set(checks) if not is_limit(each)}
        gradients = {each for name in operations for each in OPERATIONS[name].gradients}
        for argument, named, known in (
            ("supports", self.supports or (), extras - kinds),
            ("without", words, extras | {"layouts", "gradient", HALF_VALUE, *map(gradient_of, gradients)}),
            ("names", self.names, arrays | options | ({*MASKS} if "target" in inputs else set())),
            ("fixed", self.fixed, options | ({"dim"} if "cross_entropy" in operations else set())),
            ("writes", self.writes, arrays | {"grad_output"}),
            ("gradients", self.gradients, gradients),
            ("transposed", self.transposed, inputs & {*MATRICES}),
            ("keepdim", self.keepdim, frozenset().union(*map(may_keep, operations))),
        ):
            if unknown := set(named) - known:
                more = f", and the checks {', '.join(checks)}" if argument == "without" and checks else ""
                more += f"; or a size, such as {limit(65536, 'classes')}" if argument == "without" else ""
                said = f"{whose} has" if whose else "expected some of"
                raise ValueError(f"{argument} names {_listed(unknown)}; {said} {_listed(known) or 'none'}{more}")
        for argument, given in (("names", set(self.names.values())), ("extra", set(self.extra))):
            if taken is not None and (unknown := given - taken):
                raise ValueError(f"{argument} gives {_listed(unknown)}; {whose} takes {_listed(taken) or 'nothing'}")
        for name, value in self.fixed.items():
            check_option(name, value)
        if "dim" not in options and self.fixed.get("dim", -1) not in (-1, 1):
            raise ValueError(
                f"fixed dim is {self.fixed['dim']}; expected -1, classes along the last axis, or 1, along the second"
            )
        if self.without >= OF_REDUCTIONS.keys():
            raise ValueError(f"without names {_listed(OF_REDUCTIONS)}; expected at most two of these, or reduction")
        if both := set(self.fixed) & set(self.supports or ()):
            raise ValueError(f"{_listed(both)} is in fixed and in supports; an option has one value, or takes any")

    def check_words(self, checks: Iterable[str]) -> None:
        """The same before it is known whose interface it is: what no operation at all has."""
        self.check(OPERATIONS, checks, None, "")

    def given(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs and options by the candidate's own names, without those that it does not take."""
        return {self.names.get(name, name): value for name, value in arguments.items() if name not in self.fixed}

    @property
    def left_out(self) -> frozenset[str]:
        """Inputs, options and kinds of input that are not asked."""
        return self.without.union(self.fixed, *(how.left_out for how in self._arrangements.values()))

    @property
    def _arrangements(self) -> dict[str, Arrangement]:
        """Those that it has, by name."""
        return {name: how for name, how in ARRANGEMENTS.items() if getattr(self, name)}

    def takes(self, problem: Problem) -> bool:
        """Whether a problem has the values that are fixed, as many dimensions as may be, and rows where it has to."""
        if self.ndim and main_input(problem).ndim not in self.ndim:
            return False
        if any(kind in self.without and is_of_kind(problem) for kind, is_of_kind in SHAPES.items()):
            return False
        if not all(how.takes(problem) for how in self._arrangements.values()):
            return False
        if any(is_beyond(each, problem) for each in self.without):
            return False
        return all(
            has_value(problem, name, value)
            for name, value in self.fixed.items()
            if name in OPERATIONS[problem.operation].options
        )

    def beside(self, operation: str) -> dict[str, Place]:
        """Which of its results is the gradient of which input of an operation."""
        return {name: self.gradients[name] for name in OPERATIONS[operation].gradients if name in self.gradients}

    def part(self, problem: Problem) -> Problem:
        """What of a problem it is asked: the gradients that are not left out; those beside the value for upstream 1."""
        beside, upstream = self.beside(problem.operation), problem.grad_output
        names = gradient_names(problem)
        wanted = tuple(name for name in names if gradient_of(name) not in self.without)
        wanted = tuple(name for name in wanted if name in beside) if beside else wanted
        if upstream is None or (wanted == names and not beside):
            return problem
        if not wanted:
            return replace(problem, grad_output=None)
        if wanted != names:
            problem = replace(problem, gradients=wanted)
        return problem if not beside or (upstream == 1).all() else replace(problem, grad_output=np.ones(upstream.shape))

    def words(self) -> str:
        """The keyword arguments of `softproof.load` that repeat it, but `without`, each after a comma."""
        usual = Interface()
        told = (each.name for each in fields(self) if each.name != "without")
        given = {name: getattr(self, name) for name in told if getattr(self, name) != getattr(usual, name)}
        plain = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in given.items()}
        return "".join(f", {name}={value!r}" for name, value in plain.items())


_EXAMPLES = {
    "names": "{'dim': 'axis'}",
    "fixed": "{'reduction': 'none'}",
    "extra": "{'chunk': 256}",
    "gradients": "{'logits': 1}",
}
_PLACE = "a whole number, which counts results from 0, or the name of one"
_MAPPINGS, _COLLECTIONS = tuple(_EXAMPLES), ("supports", "without", "writes", "transposed", "keepdim")
_FLAGS = ("negative", *ARRANGEMENTS)
MATRICES = ("weight", "linear_weight")  # inputs of a layer that may be given transposed


def gradient_of(name: str) -> str:
    """The word of `without` for the gradient of an input.

    >>> gradient_of("p_logits")
    'gradient_of_p_logits'
    """
    return f"{GRADIENT_OF}{name}"


def check_place(name: str, value: Any) -> Place:
    """The number or the name of a result; ValueError or TypeError for anything else, as for a number in a text."""
    if isinstance(value, str) and value.strip() and not value.lstrip("-").isdecimal():
        return value
    return check_whole(name, value, _PLACE, 0)


def _check_apart(gradients: Mapping[str, Any], output: Place) -> None:
    """Each of another result, none of which is the value; ValueError or TypeError where it is not."""
    places = [check_place(f"gradients of {name}", each) for name, each in gradients.items()]
    if len({*places, output}) <= len(places):
        raise ValueError(f"gradients is {dict(gradients)}, and output {output}; expected another result for each")


def check_dimensions(value: Any) -> frozenset[int]:
    """How many dimensions arrays may have; ValueError or TypeError for others, before anything is made of them."""
    if not isinstance(value, list | tuple | Set):
        raise TypeError(f"ndim is {shown(value)}; expected a list of numbers such as [2]")
    expected = f"a whole number from {DIMENSIONS[0]} to {DIMENSIONS[-1]}"
    return frozenset(check_whole("ndim", each, expected, DIMENSIONS[0], DIMENSIONS[-1]) for each in value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, names)))
