"""What a function is asked, found out by asking it: `softproof init` writes this into a table.

Left out is only what cannot be asked: what the function has no parameter for, and what it answers with an error. A
wrong number is never a reason to leave something out. `softproof verify` is there to find those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..candidates.guesses import is_in_place
from ..candidates.lookalikes import lookalikes_of
from ..problem.class_masks import masks_classes
from ..problem.formats import FORMATS, HALF
from ..problem.interface import HALF_VALUE
from ..problem.losses import is_labels
from ..problem.operations import DIRECTIONAL, LOSS_DEFAULTS, OPERATIONS, REDUCTIONS
from ..problem.problem import Problem
from ..problem.rows import main_input
from .beside import Beside
from .conventions import conventions
from .fitting import fitted
from .harmless import Harmless, kinds
from .introduction import LEFT_OUT, NAMES, Profile
from .otherwise import hard_coded
from .probing import ANOTHER_AXIS, DELIBERATE, refusals
from .unseen import SECOND, is_silent, no_backward, no_second_backward

NOTHING_TO_ASK = NO_PARAMETER, NO_DERIVATIVE = "it has no such parameter", "it has no derivatives of this kind"
IGNORED = (-1, -100)  # the labels that are hard-coded most often; the second is torch's
EXCUSED = {  # what a wrong function does, too
    "ignore_index": "if that is a class like any other, it is wrong",
    "label_smoothing": "if it is not meant to smooth labels, it is wrong",
}
OF_IGNORED = {"all_ignored": "got 0.0, exact nan", "ignored_nonfinite": "grad_logits"}  # as many, and torch, answer
BY_DEFAULT = {"reduction": REDUCTIONS, "ignore_index": (0, -1)}
SILENT = {  # derivatives in a direction, and why they are 0 without a word
    "jvp": "autograd sees nothing in forward mode, so that this would be 0",
    "hvp": "autograd takes its gradient for a constant, so that this would be 0 without a word; mark its backward with "
    "torch.autograd.function.once_differentiable",
}


@dataclass
class Probe(Beside):
    """One function, and all that is found out about it."""

    def profile(self) -> Profile:
        """All of it. Raises: CannotAskError where no question is answered."""
        self._operation()
        try:
            self._names()
            usual = self._switched(self._in_order(self._neutralised(self._usual_or_soft())))
            usual = self._beside_its_defaults(usual)
            usual = self._of_logits(self._row_by_row(usual))
            self.answers = True
            if self._columns(usual):
                usual = self._plain(usual.dtype, 2) or usual
            if not self._shifted(usual) and self._kept(usual):
                usual = self._plain(usual.dtype, 2) or usual
            self._negative(usual)
            self._ignored_by_name(usual)
            usual = self._hard_coded(usual)
            self._by_default(usual)
            self._classes_last(usual)
            self._optional_mask(usual)
            self._doubtful(usual)
            self._beside(self._plain(usual.dtype, main_input(usual).ndim) or usual)
            self._constants(usual)
            self._dtypes(usual)
            self._refused(usual)
            self._derivatives(usual)
            self._conventions(usual)
            self._models()
        finally:
            self.candidate.close()
        return self.found

    def _hard_coded(self, usual: Problem) -> Problem:
        """Options that it has no parameter for, and the values that its answers have instead."""
        about, given = OPERATIONS[usual.operation], dict(self.candidate.interface.fixed)
        free = {*about.options} - self.candidate.supports(usual.operation) - given.keys()
        values = hard_coded(free, partial(self._is_right, usual))
        if "dim" in free:
            values |= self._axis(usual.dtype)
        if "ignore_index" in free - values.keys() and is_labels(usual) and usual.inputs["target"].size:
            values |= self._ignored(usual, values)
        if not values:
            return usual
        self.found.says(
            "fixed", {**given, **values}, f"it has no parameter for {', '.join(values)}; its answers are for this value"
        )
        for name in [each for each in values.keys() & EXCUSED if values[each] != LOSS_DEFAULTS[each]]:
            self.found.notes.append(
                f"its answers are those for {name}={values[name]}, and it is asked so: {EXCUSED[name]}"
            )
        self._open()
        return self._plain(usual.dtype, main_input(usual).ndim) or usual

    def _by_default(self, usual: Problem) -> None:
        """Options whose usual value it answers with an error, and that it is right for by default: it is left that."""
        if "target" not in usual.inputs or not is_labels(usual):
            return
        supports, given = self.candidate.supports(usual.operation), dict(self.candidate.interface.fixed)
        asked = {"reduction": usual, "ignore_index": _ignoring(usual, LOSS_DEFAULTS["ignore_index"])}
        for name, problem in asked.items():
            raised = self._asked(replace(problem, options={**usual.options, name: LOSS_DEFAULTS[name]})).raised
            for value in BY_DEFAULT[name] if raised and name in supports else ():
                if self._is_right_by_default(usual, {**given, name: value}, name):
                    given[name] = value
                    self.found.not_tested[f"another {name}"] = f"{name} = {LOSS_DEFAULTS[name]}: {raised}"
                    break
        self._open()

    def _is_right_by_default(self, usual: Problem, fixed: dict[str, Any], name: str) -> bool:
        """Whether its answers are for this value of an option, which stays fixed then."""
        problem = _ignoring(usual, fixed[name]) if name == "ignore_index" else usual
        return self._keeps({"fixed": fixed}, "what its answers are for",
                           lambda: self._is_right(problem, {name: fixed[name]}))  # fmt: skip

    def _ignored(self, usual: Problem, found: Mapping[str, Any]) -> dict[str, int]:
        """The label that a function without `ignore_index` ignores, if two answers show it."""
        for label in IGNORED:
            asked = _ignoring(usual, label), _ignoring(usual, label, -1)
            if all(self._is_right(each, {**found, "ignore_index": label}) for each in asked):
                return {"ignore_index": label}
        return {}

    def _axis(self, dtype: str) -> dict[str, int]:
        """The axis of a function that has no `dim`, if it is another than the last for most shapes."""
        asked = list(filter(None, (self._plain(dtype, ndim) for ndim in (1, 2, 3, 4))))
        right = {
            dim: sum(
                self._is_right(each, {"dim": dim})
                for each in asked
                if -main_input(each).ndim <= dim < main_input(each).ndim
            )
            for dim in (-1, 1, 0)
        }
        best = max(right, key=right.__getitem__)
        return {"dim": best} if best != -1 else {}

    def _doubtful(self, usual: Problem) -> None:
        """Parameters that may be an option by another name: they are, if the answers to it are right."""
        operation = usual.operation
        found = lookalikes_of(self.candidate, operation, self.candidate.interface.names)
        left = {*self.candidate.interface.without, *self.candidate.interface.fixed, *self.given.get("extra", {})}
        for option, theirs in found.items():
            if option in left or option in self.candidate.supports(operation):
                continue
            names = {**self.found.arguments.get("names", {}), option: theirs}
            if not self._keeps({"names": names}, NAMES, partial(self._is_right_about, option, usual)):
                self.found.notes.append(
                    f"{theirs} looks like {option}, and its answers are not those: {option} is NOT TESTED; if it is "
                    f"the same: names = {{ {option} = {theirs!r} }}"
                )

    def _is_right_about(self, option: str, usual: Problem) -> bool:
        """Whether the answers to all questions about an option are right."""
        asked = [each.problem for each in self._about(usual) if option_of(each.option) == option]
        return bool(asked) and all(map(self._is_right, asked))

    def _about(self, usual: Problem) -> list[Harmless]:
        """The questions about kinds of input and options."""
        supports = self.candidate.supports(usual.operation)
        return [each for each in kinds(usual.operation, usual.dtype, supports, usual)
                if self.candidate.takes(each.problem)]  # fmt: skip

    def _dtypes(self, usual: Problem) -> None:
        """The formats in which it answers the usual question."""
        wanted, answers = self.given.get("dtypes"), []
        for dtype in wanted or FORMATS:
            if dtype not in self.candidate.dtypes:
                self.found.not_tested[dtype] = f"the {self.candidate.adapter} adapter has none"
                continue
            result = self._asked(replace(usual, dtype=dtype))
            if result.raised is not None and not wanted:
                self.found.not_tested[dtype] = f"raised {result.raised}"
                continue
            value = result.outputs.get("value")
            if value is not None and (dtype, value.dtype) == ("float64", "float32") and not wanted:
                self.found.not_tested[dtype] = "it gives float32"  # of a kernel that computes in float32
                continue
            answers.append(dtype)
            if value is not None and value.dtype == "float32" and dtype in HALF:
                without = {*self.given.get("without", ()), *self.found.arguments.get("without", ()), HALF_VALUE}
                self.found.says("without", sorted(without), LEFT_OUT)
                self.found.not_tested[f"a value in {dtype}"] = "it gives float32, which is rounded, and then judged"
            elif value is not None and value.dtype != dtype:
                self.found.notes.append(f"for {dtype} it gives {value.dtype}, which `verify` will not accept")
        self.found.says("dtypes", answers, "formats in which it answers")

    def _refused(self, usual: Problem) -> None:
        """Dimensions, options and kinds of input that it answers with an error."""
        wanted = self.given.get("dtypes") or [usual.dtype]
        dtype = usual.dtype if usual.dtype in wanted else wanted[0]  # a path of half precision may take less
        refused = refusals(self.candidate, usual.operation, dtype, self.device, in_backward=True)
        narrow = {ndim: error for ndim, error in refused.dimensions.items() if error != ANOTHER_AXIS}
        if narrow and "ndim" not in self.given:
            self.found.says("ndim", sorted(set(refused.ndim) | (set(refused.dimensions) - set(narrow))),
                            "dimensions of the logits that it takes")  # fmt: skip
            self.found.not_tested |= {f"{ndim} dimension{'s' * (ndim != 1)}": error for ndim, error in narrow.items()}
        without = list(self.found.arguments.get("without", self.given.get("without", ())))
        for option, error in refused.without.items():
            kind = error.partition(": ")[2].partition(":")[0].partition(" at ")[0]  # "no rows: ValueError at …"
            own = option_of(option) in self.candidate.supports(usual.operation) - set(OPERATIONS[usual.operation].kinds)
            if own and kind not in DELIBERATE:
                self.found.notes.append(f"it has {option_of(option)}, and for {error}: asked all the same")
                continue
            without.append(option)
            self.found.not_tested[option] = error
        if without:
            self.found.says("without", without, LEFT_OUT)
        meant = [name for name in refused.written if name in OPERATIONS[usual.operation].gradients]
        if meant and is_in_place(self.name):
            self.found.says("writes", meant, "what it overwrites, as its name says")
            self.found.not_tested["inputs that stay as they are"] = (
                f"it overwrites {', '.join(meant)}, as its name says"
            )
        for name in refused.written if "writes" not in self.found.arguments else ():
            self.found.notes.append(f'it overwrites {name}; if that is documented: writes = ["{name}"]')
        about = OPERATIONS[usual.operation]
        missing = {*about.optional, *about.options} - self.candidate.supports(usual.operation)
        for name in sorted(missing - {*self.candidate.interface.fixed, *self.candidate.interface.without}):
            self.found.not_tested[name] = NO_PARAMETER

    def _derivatives(self, usual: Problem) -> None:
        """Which outputs have to be judged, so that one that is lost later is missed."""
        self._open(afresh=True)  # torch.compile gives up after some shapes, and has other derivatives from there on
        supports, required = self.candidate.supports(usual.operation), self.given.get("require", ())
        outputs = ["value", *(["gradient"] if self._has_gradient(usual) else [])]
        for kind in filter(OPERATIONS[usual.operation].kinds.__contains__, DIRECTIONAL):
            if "gradient" not in outputs or kind not in supports:
                self.found.not_tested[kind] = NO_DERIVATIVE
            elif kind not in required and is_silent(self.candidate, usual, kind, self.device):
                self.found.not_tested[kind] = SILENT[kind]
                self._leaves_out(kind)
            else:
                outputs.append(kind)
        self.found.says("require", outputs, "what has to be judged, or a row does not agree")

    def _has_gradient(self, usual: Problem) -> bool:
        """Whether it has a backward pass; one that its user requires, or whose interface is described, is asked."""
        operation = usual.operation
        if not self.candidate.differentiates(operation):
            if OPERATIONS[operation].gradients:
                self.found.not_tested["gradient"] = "it has no backward pass"
            return False
        own = self.candidate.interface.beside(operation)
        if own or "gradient" in self.given.get("require", ()) or "supports" in self.given:
            return True
        raised = no_backward(self.candidate, usual, self.found.arguments["dtypes"], self.device)
        if raised:
            self.found.not_tested["gradient"] = f"raised {raised}"
            self._leaves_out("gradient")
        elif error := no_second_backward(self.candidate, usual, self.device):
            self.found.not_tested[SECOND] = f"raised {error}"
            self._leaves_out(SECOND)
        return not raised

    def _conventions(self, usual: Problem) -> None:
        """What `verify` will reject, and its user may mean: told, and not left out."""
        self._open()
        left = self.candidate.interface.without
        told: dict[str, str] = {}
        known = {*self.given.get("fixed", {}), *self.candidate.supports(usual.operation)}
        own = {"nonfinite": "of -inf"} if masks_classes(self.candidate.interface.extra) else {}
        own |= OF_IGNORED if "ignore_index" in self.found.arguments.get("fixed", {}).keys() - known else {}
        for kind, words in conventions(self.candidate, usual, self.device):
            if kind in own and own[kind] in words:
                self.found.not_tested[kind] = words
                self._leaves_out(kind)
            elif kind not in left:
                told.setdefault(kind, words)
        self.found.unchecked = told.get("invalid_labels", "")
        for kind, words in told.items():
            how = "--ndim 2, or write ndim = [2]" if kind == "ndim" else f'--without {kind}, or add "{kind}" to without'
            self.found.notes.append(f"{words}. If it is not meant to be asked so: {how} in a table")

    def _models(self) -> None:
        """Which model of the ladder fits in each format."""
        if self.given.get("arithmetic") is None:
            self._open()
            for dtype in self.found.arguments["dtypes"]:
                self.found.fits[dtype] = fitted(self.candidate, self.found.operation, dtype, self.device)


def option_of(kind: str) -> str:
    """The option that a kind is about: `reduction` of "reduction=none"."""
    return kind.partition("=")[0]


def _ignoring(usual: Problem, label: Any, row: int = 0) -> Problem:
    """The usual question with a row of this label."""
    target = usual.inputs["target"].copy()
    target.reshape(-1)[row] = label
    return replace(usual, inputs={**usual.inputs, "target": target}, grad_output=None)
