"""A usual question that a function answers: what it raises before tells how it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from ..candidates.guesses import neutral_values, results_in_order, size_named, words_of
from ..candidates.lookalikes import is_mask, lookalikes_of
from ..problem.interface import Place
from ..problem.losses import is_labels
from ..problem.operations import OPERATIONS
from ..problem.problem import Problem
from ..problem.size_limits import NOTHING
from .calling import SEVERAL, TOO_MANY, missing_in, names_of_results
from .harmless import ignored_label, labelled
from .introduction import FIRST, NAMES, ONE_OF_SEVERAL, CannotAskError
from .masks import Masks
from .wrapping import wrapper


@dataclass
class Usual(Masks):
    """One function, which is opened again with what its errors tell, until it answers a usual question."""

    neutral: dict[str, float] = field(default_factory=dict)  # what it has to be given, and is no option

    def _usual(self) -> Problem:
        """The first usual question that it answers, best by a value of a possible shape; errors tell how to call it."""
        answered = None
        for _ in range(MOST):
            raised = ""
            for dtype, ndim in ((dtype, ndim) for ndim in (2, 3, 1, 4, 0) for dtype in FIRST):
                problem = self._plain(dtype, ndim)
                if problem is None or dtype not in self.candidate.dtypes or not self.candidate.takes(problem):
                    continue
                error = self._asked(problem).raised
                raised = raised or error or ""
                if error is None and self._has_a_shape(problem):
                    return problem
                if error is None:
                    answered = answered or problem
                elif self._called_otherwise(error, problem):
                    break
            else:
                break
        if answered is None:
            raise CannotAskError(self._advice(raised))
        return answered

    def _called_otherwise(self, error: str, asked: Problem) -> bool:
        """Whether an error tells that it has several results, or takes its inputs by name; then it is opened so.

        What it has to be given, and looks like an option or a mask, is that.
        """
        inputs = OPERATIONS[self.found.operation].inputs
        parameters = self.candidate.capabilities.parameters(self.found.operation)
        needed, neutral, sizes = self._needed(error), self._neutral(error), _sizes(error)
        if SEVERAL.search(error) and self.candidate.interface.output is None:
            self._gives_as_value(0)
        elif names_of_results(error) and self.candidate.interface.output is None:
            return self._result_of(names_of_results(error), asked)
        elif TOO_MANY.search(error) and inputs[0] not in self.candidate.interface.names:
            names = dict(zip(inputs, parameters, strict=False)) | dict(self.candidate.interface.names)
            self.found.says("names", names, NAMES)
        elif any(map(is_mask, needed.values())):
            return self._of_rows(needed, asked) or self._of_classes(needed, asked) or self._all_through(error, asked)
        elif needed:
            self._calls({**self.candidate.interface.names, **needed})
            self._tells_neutral(needed)
        elif neutral:
            self._gives(neutral)
        elif sizes:
            self._gives_sizes(sizes)
        else:
            return self._masked(error, asked) or self._all_through(error, asked) or self._with_nothing(error, asked)
        self._open()
        return True

    def _of_classes(self, needed: Mapping[str, str], asked: Problem) -> bool:
        """Whether it answers if they are weights of classes."""
        names = {**self.candidate.interface.names, **needed}
        if not self._keeps({"names": names}, NAMES, lambda: self._answers(asked)):
            return False
        self._tells_neutral(needed)
        return True

    def _tells_neutral(self, needed: Mapping[str, str]) -> None:
        self.found.notes += [GIVEN.format(theirs=theirs, ours=ours) for ours, theirs in needed.items()]

    def _with_nothing(self, error: str, asked: Problem) -> bool:
        """Whether it is right with None for what it lacks and nobody knows; of a process group, whether it answers."""
        missing = dict.fromkeys(missing_in(error), NOTHING)
        groups = all("group" in words_of(name).split() for name in missing)
        given = {**self.candidate.interface.extra, **missing}

        def holds() -> bool:
            return self._answers(asked) if groups else self._fits(asked)

        if not missing or not self._keeps({"extra": given}, GIVEN_NOTHING, holds):
            return False
        self.found.not_tested |= {f"another {name} than None": HAS_NO_DEFAULT for name in missing}
        return True

    def _answers(self, asked: Problem) -> bool:
        """With one result, or with several."""
        raised = self._asked(asked).raised
        return raised is None or bool(SEVERAL.search(raised) or names_of_results(raised))

    def _result_of(self, names: list[str], asked: Problem) -> bool:
        """Whether one of its results by name is its value: the first whose name says so, or else whose numbers do."""
        telling, others = results_in_order(self.found.operation, names)
        possible = []
        for name in (*telling, *others):
            self._gives_as_value(name)
            if self._asked(asked).raised is None:
                possible.append(name)
                if name in telling or self._fits(asked):
                    break
        else:
            self.found.arguments.pop("output")
            if not possible:
                self._open()
                return False
            self._gives_as_value(possible[0])
        value = self.candidate.interface.output
        rest = ", ".join(each for each in names if each != value)
        self.found.notes.append(f"its result {value} is judged as the value" + (f", and not {rest}" if rest else ""))
        if rest:
            self.found.notes[-1] += "; to judge another: --output NAME"
        return True

    def _gives_as_value(self, place: Place) -> None:
        """It is opened so."""
        self.found.says("output", place, ONE_OF_SEVERAL)
        self._open()

    def _gives(self, neutral: Mapping[str, float]) -> None:
        """It is given these numbers, and no others."""
        self.found.says("extra", {**self.candidate.interface.extra, **neutral}, "what it has to be given")
        for name, value in neutral.items():
            self.neutral[name] = value

    def _gives_sizes(self, sizes: Mapping[str, str]) -> None:
        """It is given these sizes of each question."""
        self.found.says("extra", {**self.candidate.interface.extra, **sizes}, "what it has to be given")
        self.found.notes += [SIZE.format(name=name, size=size.removeprefix("@")) for name, size in sizes.items()]

    def _neutralised(self, usual: Problem) -> Problem:
        """The usual question; of parameters for which several numbers may change nothing, those that fit it."""
        several = [name for name in self.neutral if len(neutral_values(name)) > 1]
        if several and not self._fits(usual):
            before = {name: self.neutral[name] for name in several}
            choices = product(*map(neutral_values, several))
            for chosen in (*(dict(zip(several, each, strict=True)) for each in choices), before):
                self._gives(chosen)
                self._open()
                if self._fits(usual):
                    break
        for name, value in self.neutral.items():
            self.found.not_tested[f"another {name} than {value}"] = HAS_NO_DEFAULT
        return usual

    def _ignored_by_name(self, usual: Problem) -> None:
        """A doubtful name of the label that is ignored, if its answers fit; before a hard-coded label is sought."""
        names, operation = dict(self.candidate.interface.names), self.found.operation
        if "target" not in usual.inputs or not is_labels(usual):
            return
        theirs = lookalikes_of(self.candidate, operation, names).get("ignore_index")
        if theirs is None or theirs in self.candidate.interface.extra or "ignore_index" in self.given.get("fixed", {}):
            return
        asked = labelled(usual, ignored_label(usual))
        self._keeps({"names": {**names, "ignore_index": theirs}}, NAMES, lambda: self._fits(asked))

    def _needed(self, error: str) -> dict[str, str]:
        """What it says that it lacks, by the optional input or option that looks like it."""
        names, operation = missing_in(error), self.found.operation
        known = self.candidate.interface.names
        alike = lookalikes_of(self.candidate, operation, known) if names else {}
        return {ours: theirs for ours, theirs in alike.items() if theirs in names}

    def _neutral(self, error: str) -> dict[str, float]:
        """What it says that it lacks and a number is known for that changes nothing, such as 1 for a temperature."""
        return {name: values[0] for name in missing_in(error) if (values := neutral_values(name))}

    def _advice(self, raised: str) -> str:
        """What to do where nothing is answered."""
        if denied := self.candidate.process.denied(raised):
            return f"it answers no question: raised {raised}. {denied}"
        if names_of_results(raised):
            return f"it answers no question: {raised.partition(': ')[2]}. Say which result is the value: --output NAME"
        own = wrapper(self.candidate, self.found.operation)
        if names := missing_in(raised):
            options = " ".join(f"--extra {name}=VALUE" for name in names)
            return f"it answers no question: raised {raised}. Say what it is to be given: {options}{own}"
        device = "; if it needs a GPU: --device cuda" if self.device == "cpu" else ""
        options = f"--name, --extra, --ndim{device}"
        return f"it answers no question: raised {raised}. Describe how it is called: {options}{own}"


def _sizes(error: str) -> dict[str, str]:
    """What it says that it lacks and is named as a size of the question."""
    return {name: size for name in missing_in(error) if (size := size_named(name))}


MOST = 6  # times that a function is opened with what an error tells
GIVEN_NOTHING = "what it has to be given; @none is None"
HAS_NO_DEFAULT = "it has no default, and the operation has no such option"
SIZE = "{name} is given the number of {size} of each question"
GIVEN = "{theirs} has no default: without {ours} it is given what changes no number (0 for a bias, 1 for weights)"
