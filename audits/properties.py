"""The properties that an implementation is held to, each to be asked alone: those of the judge, and those of tests/.

A property test is one that has something to say against an implementation that it is given, as `half` or `candidate`;
tests of the judge itself concern no mutant. Where a test is on this list, the very function of tests/ is called.
"""

from __future__ import annotations

import inspect
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial, wraps
from itertools import product
from typing import Any, NamedTuple

import hypothesis
import torch
from hypothesis import HealthCheck, Phase

import reference
from softproof import Candidate, Interface, Problem, Verdict, judge, judge_result, load, problems
from softproof.bounds.accuracy import Accuracy
from softproof.bounds.models import model
from softproof.generation.coverage import REGIONS, regions
from softproof.generation.edge_cases import EDGE_CASES
from softproof.generation.edges.edge_case import UNSPECIFIED
from softproof.generation.large import large_problems
from softproof.mutants.correct import CORRECT
from softproof.mutants.record import Mutant, left_out
from softproof.mutants.steps.softmax import Softmax
from softproof.problem.problem import COMMON_LAYOUTS, Result
from softproof.properties.behaviour import check_answers
from softproof.properties.checks import CHECKS
from softproof.properties.metamorphic import RELATIONS, Asker, asked_of, compared, identity_of
from softproof.properties.questions import Question, question_of
from softproof.runs.criteria import DTYPES, Criteria
from softproof.runs.schedule import Schedule, against
from softproof.runs.search import verdicts
from softproof.verdicts.case import BITS
from softproof.verdicts.judgement import _judge, narrowed
from softproof.verdicts.misfits import not_an_answer
from softproof.verdicts.verdict import AGREES, DISAGREES
from tests import (
    test_accurate,
    test_agreement,
    test_iris,
    test_relations,
    test_second_order,
    test_semantics,
    test_stages,
)
from tests.helpers.candidates import MANUAL, REFERENCE

CRITERIA = Criteria("cpu", model(None), "", "C", None, 1.0, shrink=False)


@dataclass(frozen=True)
class Drawing:
    """How many problems are drawn for a property, in each dtype of who is asked, and from which seed."""

    examples: int
    seed: int


@dataclass(frozen=True)
class Counted(Candidate):
    """A candidate that counts the numbers that it is given whenever it computes a value."""

    counts: Counter[str] = field(default_factory=Counter)


def counting(functions: Mapping[str, Callable[..., Any]], counts: Counter[str]) -> dict[str, Callable[..., Any]]:
    """The functions, whose inputs are counted each time."""

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            given = (*arguments, *keywords.values())
            counts["numbers"] += sum(each.numel() for each in given if isinstance(each, torch.Tensor))
            return function(*arguments, **keywords)

        return call

    return {name: counted(function) for name, function in functions.items()}


Asks = Callable[[Mutant, Counted, Drawing], Iterator[bool]]


@dataclass(frozen=True)
class Property:
    """`asks` yields, for one question after the other, whether the answer speaks against who gave it; nothing where the
    property does not concern them.
    """

    name: str
    asks: Asks


# ---- who is asked ---------------------------------------------------------------------------------------------------


def _right(name: str, operation: str, implementation: Callable[..., Any], **more: Any) -> Mutant:
    return Mutant(name, "right", "", "", "", "", "both", operation, implementation, **more)


OF_LABELS = "cross_entropy, class B"  # takes no probabilities
RIGHT = (
    *(_right(each.operation, each.operation, type(each)) for each in CORRECT),
    _right("softmax, two dtypes", "softmax", Softmax, dtypes=("float64", "float32")),
    *(_right(f"{name}, reference", name, getattr(reference, name)) for name in test_second_order.OPERATIONS),
    _right(OF_LABELS, "cross_entropy", reference.accurate_cross_entropy, accuracy="B"),
)


def made(mutant: Mutant) -> Counted:
    """A mutant, or a right implementation, that nobody has asked anything yet."""
    found = load(mutant.make(), operation=mutant.operation, adapter="torch")
    of_labels = {"probabilities", "unnormalised"} if mutant.name == OF_LABELS else set()
    interface = Interface(without=frozenset(left_out(mutant.operation)) | of_labels)
    counts = Counter[str]()
    return Counted(mutant.name, counting(found.functions, counts), found.backwards, "torch", interface=interface,
                   jvps=found.jvps, hvps=found.hvps, counts=counts)  # fmt: skip


def _in_the_reference(mutant: Mutant, candidate: Counted) -> Counted:
    """The half in torch, with one of its operations replaced."""
    functions = {**counting(REFERENCE.functions, candidate.counts), **candidate.functions}
    backwards = {name: each for name, each in REFERENCE.backwards.items() if name != mutant.operation}
    return Counted(mutant.name, functions, backwards | {**candidate.backwards}, "torch", counts=candidate.counts)


# ---- the problems ---------------------------------------------------------------------------------------------------


@dataclass
class _Collector(Schedule):
    """Notes the problems that `verify` draws, and asks nobody."""

    drawn: list[Problem] = field(default_factory=list)

    def verdict(self, problem: Problem) -> Verdict:
        """Agrees."""
        for region in regions(problem):
            self.regions[region] = self.regions.get(region, 0) + 1
        self.drawn.append(problem)
        return Verdict(AGREES)


@cache
def _drawn(operation: str, dtype: str, supports: frozenset[str], drawing: Drawing) -> list[Problem]:
    """The problems that `verify` draws for an operation."""
    collector = _Collector(REFERENCE, CRITERIA, supports)
    draw = partial(problems, operation, dtype, supports=supports, layouts=COMMON_LAYOUTS)
    verdicts(collector, draw, REGIONS[operation], drawing.examples, drawing.seed)
    return collector.drawn


def _problems(mutant: Mutant, candidate: Counted, drawing: Drawing) -> Iterator[Problem]:
    """In one dtype of the mutant after the other."""
    for dtype in mutant.dtypes:
        yield from _drawn(mutant.operation, dtype, candidate.supports(mutant.operation), drawing)


TOP = 6  # large problems


def _large(mutant: Mutant, candidate: Counted) -> Iterator[Problem]:
    """The largest of each dimension."""
    for dtype in mutant.dtypes:
        if dtype in DTYPES:
            yield from large_problems(mutant.operation, dtype, candidate.supports(mutant.operation))[-TOP:]


# ---- the truth ------------------------------------------------------------------------------------------------------


def _answered(candidate: Counted, problem: Problem) -> tuple[Problem, Result, frozenset[str], str]:
    """What was asked, the answer, the outputs that were not asked, and what is wrong before any number is looked at."""
    problem, unasked = narrowed(candidate, problem)
    result = candidate.answer(problem)
    outputs = {name: each for name, each in result.outputs.items() if name not in unasked}
    result = replace(result, outputs=outputs)
    return problem, result, unasked, not_an_answer(problem, result, "cpu", unasked)


def _an_answer(mutant: Mutant, candidate: Counted, drawing: Drawing) -> Iterator[bool]:
    """No error, no input written; the outputs that were asked, in the right shape, dtype and place."""
    for problem in _problems(mutant, candidate, drawing):
        yield bool(_answered(candidate, problem)[3])


def _output(prefix: str) -> Asks:
    """The comparison of the outputs of one kind with the truth."""

    def asks(mutant: Mutant, candidate: Counted, drawing: Drawing) -> Iterator[bool]:
        for given in _problems(mutant, candidate, drawing):
            problem, result, unasked, text = _answered(candidate, given)
            others = frozenset(name for name in result.outputs if not name.startswith(prefix))
            if text or others == result.outputs.keys():
                continue
            yield against(_judge(problem, result, "cpu", None, Accuracy(mutant.accuracy), BITS, unasked | others))

    return asks


def _large_problems(mutant: Mutant, candidate: Counted, _drawing: Drawing) -> Iterator[bool]:
    """All outputs together."""
    for problem in _large(mutant, candidate):
        yield against(judge(candidate, problem, accuracy=mutant.accuracy))


# ---- checks and relations -------------------------------------------------------------------------------------------


def _way(name: str) -> Asks:
    """One way of asking again, of problems that have an answer."""

    def asks(mutant: Mutant, candidate: Counted, drawing: Drawing) -> Iterator[bool]:
        judged = partial(judge_result, accuracy=mutant.accuracy)
        for problem in _problems(mutant, candidate, drawing):
            if CHECKS[name].applies(Question(candidate, asked_of(candidate, problem), Result(), "cpu", mutant.dtypes)):
                question = question_of(candidate, problem, "cpu", mutant.dtypes)
                if not not_an_answer(question.problem, question.first, "cpu"):
                    yield check_answers(question, name, judged)[0].outcome == DISAGREES

    return asks


def _breaks(name: str, mutant: Mutant, candidate: Counted, problem: Problem) -> bool | None:
    """Whether an implementation breaks a relation; None where the relation says nothing, or there is no answer."""
    problem = asked_of(candidate, problem)
    identity = identity_of(name, problem, candidate.supports(mutant.operation))
    answers = Asker(candidate, problem, "cpu", model(None), Accuracy(mutant.accuracy))
    if identity is None or not_an_answer(problem, answers.to(problem), "cpu"):
        return None
    return compared(name, identity, answers).outcome == DISAGREES


def _relation(name: str) -> Asks:
    """One relation, of problems that have an answer."""

    def asks(mutant: Mutant, candidate: Counted, drawing: Drawing) -> Iterator[bool]:
        for problem in _problems(mutant, candidate, drawing):
            if (broken := _breaks(name, mutant, candidate, problem)) is not None:
                yield broken

    return asks


AT_ANY_SIZE = ("permuted classes", "split batch")  # the relations that tests/test_relations.py asks at full size


def _relations_of_large_problems(mutant: Mutant, candidate: Counted, _drawing: Drawing) -> Iterator[bool]:
    """Two relations; of a classifier the many classes alone, since its bound takes a minute for many rows."""
    for number, (problem, name) in enumerate(product(_large(mutant, candidate), AT_ANY_SIZE)):
        if mutant.operation == "linear_cross_entropy" and number >= len(AT_ANY_SIZE):
            return
        if (broken := _breaks(name, mutant, candidate, problem)) is not None:
            yield broken


# ---- the tests ------------------------------------------------------------------------------------------------------


def fails(test: Callable[[], object]) -> bool:
    """Whether a test has something to say; what Hypothesis itself has to say is an error."""
    try:
        test()
    except hypothesis.errors.Flaky:  # another answer when the same was asked again
        return True
    except hypothesis.errors.HypothesisException:
        raise
    except Exception:
        return True
    return False


def again(test: Any, drawing: Drawing) -> Callable[..., None]:
    """The same test over as many examples as the judge draws, which are the same in every run."""
    handle = test.hypothesis
    drawn = hypothesis.given(**handle._given_kwargs)(handle.inner_test)
    settings = hypothesis.settings(max_examples=drawing.examples, database=None, deadline=None, phases=[Phase.generate],
                                   suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
                                   print_blob=False, verbosity=hypothesis.Verbosity.quiet)  # fmt: skip
    return hypothesis.seed(drawing.seed)(settings(drawn))


def _test(
    test: Any,
    *operations: str,
    needs: Iterable[str] = (),
    accuracy: str = "C",
    dtypes: Iterable[str] = REFERENCE.dtypes,
) -> Asks:
    """A test that draws, of implementations of these operations that have what it needs; one question in each dtype."""

    def asks(mutant: Mutant, candidate: Counted, drawing: Drawing) -> Iterator[bool]:
        if mutant.operation not in operations or mutant.accuracy != accuracy:
            return
        if not set(needs) <= candidate.supports(mutant.operation):
            return
        for dtype in (each for each in mutant.dtypes if each in dtypes):
            given = {"half": candidate, "candidate": candidate, "operation": mutant.operation, "dtype": dtype}
            wanted = inspect.signature(test.hypothesis.inner_test).parameters.keys()
            arguments = {name: value for name, value in given.items() if name in wanted}
            yield fails(partial(again(test, drawing), device="cpu", **arguments))

    return asks


def _edges(mutant: Mutant, candidate: Counted, _drawing: Drawing) -> Iterator[bool]:
    """The problems of a test that draws none."""
    for problem in test_agreement.EDGES.values():
        if (problem.operation, mutant.accuracy) == (mutant.operation, "C") and problem.dtype in mutant.dtypes:
            yield fails(partial(test_agreement.test_the_edges_of_the_range, candidate, problem))


def _edge_cases(mutant: Mutant, candidate: Counted, _drawing: Drawing) -> Iterator[bool]:
    """Every row of docs/theory/semantics.md that is about what this implementation has."""
    directional = {"jvp", "hvp"} <= candidate.supports(mutant.operation)
    for edge_case in EDGE_CASES:
        problem = edge_case.problem
        own = (problem.operation, mutant.accuracy) == (mutant.operation, "C") and problem.dtype in mutant.dtypes
        if own and (directional or problem.tangent is None) and candidate.takes(problem):
            fixed = edge_case.demanded != UNSPECIFIED
            test = (
                test_semantics.test_both_halves_do_what_is_demanded if fixed else test_semantics.test_what_is_not_fixed
            )
            yield fails(partial(test, candidate, "cpu", edge_case))


def _stages(mutant: Mutant, candidate: Counted, _drawing: Drawing) -> Iterator[bool]:
    """A classifier of which this is a stage."""
    if mutant.operation in ("linear", "cross_entropy") and mutant.accuracy == "C":
        for dtype in mutant.dtypes:
            half = _in_the_reference(mutant, candidate)
            yield fails(partial(test_stages.test_there_are_three_stages, half, "cpu", dtype))


def _training(mutant: Mutant, candidate: Counted, _drawing: Drawing) -> Iterator[bool]:
    """A classifier that is trained by this."""
    if mutant.operation in ("linear", "linear_cross_entropy"):
        for dtype in (each for each in mutant.dtypes if each in DTYPES):
            half = _in_the_reference(mutant, candidate)
            yield fails(partial(test_iris.test_training_is_judged_at_every_step, half, "cpu", dtype))


def _small_losses(mutant: Mutant, candidate: Counted, _drawing: Drawing) -> Iterator[bool]:
    """Of class B alone."""
    if mutant.accuracy == "B":
        for dtype, small, label in product(mutant.dtypes, test_accurate.SMALL, range(4)):
            test = test_accurate.test_small_losses_keep_their_digits
            yield fails(partial(test, candidate, "cpu", dtype, small, label))


def _small_gradients(mutant: Mutant, candidate: Counted, _drawing: Drawing) -> Iterator[bool]:
    """Of class B alone."""
    if mutant.accuracy == "B":
        for dtype, small in product(mutant.dtypes, test_accurate.SMALL):
            yield fails(partial(test_accurate.test_gradient_rows_sum_to_zero, candidate, "cpu", dtype, small))


# ---- all of them ----------------------------------------------------------------------------------------------------

OPERATIONS = tuple(each.operation for each in CORRECT)

TESTS: dict[str, tuple[str, Asks]] = {  # by the name in the table: the test, and how it is asked
    "edges of the range": ("test_agreement.test_the_edges_of_the_range", _edges),
    "edge cases": ("test_semantics.test_both_halves_do_what_is_demanded", _edge_cases),
    "three stages": ("test_stages.test_there_are_three_stages", _stages),
    "training on Iris": ("test_iris.test_training_is_judged_at_every_step", _training),
    "softmax rows sum to one": (
        "test_relations.test_softmax_rows_sum_to_one",
        _test(test_relations.test_softmax_rows_sum_to_one, "softmax"),
    ),
    "gradient rows sum to zero": (
        "test_relations.test_gradient_rows_sum_to_zero",
        _test(test_relations.test_gradient_rows_sum_to_zero, "softmax", "cross_entropy"),
    ),
    "a one-hot target is its label": (
        "test_relations.test_a_one_hot_target_is_its_label",
        _test(test_relations.test_a_one_hot_target_is_its_label, "cross_entropy"),
    ),
    "Gibbs' inequality": (
        "test_relations.test_gibbs_inequality",
        _test(test_relations.test_gibbs_inequality, "kl_divergence"),
    ),
    "near the other half": (
        "test_agreement.test_the_halves_are_within_both_bounds_of_each_other",
        _test(test_agreement.test_the_halves_are_within_both_bounds_of_each_other, *OPERATIONS, dtypes=MANUAL.dtypes),
    ),
    "near the other half in a direction": (
        "test_second_order.test_the_halves_agree",
        _test(test_second_order.test_the_halves_agree, *OPERATIONS, needs=("jvp", "hvp"), dtypes=MANUAL.dtypes),
    ),
    "a Hessian is symmetric": (
        "test_second_order.test_a_hessian_is_symmetric",
        _test(test_second_order.test_a_hessian_is_symmetric, *OPERATIONS, needs=("hvp",)),
    ),
    "a convex function has a Hessian >= 0": (
        "test_second_order.test_a_convex_function_has_a_hessian_that_is_positive_semidefinite",
        _test(test_second_order.test_a_convex_function_has_a_hessian_that_is_positive_semidefinite, "logsumexp",
              "cross_entropy", needs=("hvp",)),
    ),
    "derivatives are linear in the direction": (
        "test_second_order.test_derivatives_are_linear_in_the_direction",
        _test(test_second_order.test_derivatives_are_linear_in_the_direction, *OPERATIONS, needs=("jvp", "hvp")),
    ),
    "small losses keep their digits": ("test_accurate.test_small_losses_keep_their_digits", _small_losses),
    "small gradients sum to zero": ("test_accurate.test_gradient_rows_sum_to_zero", _small_gradients),
    "any loss keeps its digits": (
        "test_accurate.test_any_loss_keeps_its_digits",
        _test(test_accurate.test_any_loss_keeps_its_digits, "cross_entropy", accuracy="B"),
    ),
    "all options keep class B": (
        "test_accurate.test_all_options_keep_the_bound",
        _test(test_accurate.test_all_options_keep_the_bound, "cross_entropy", accuracy="B"),
    ),
}  # fmt: skip

ELSEWHERE = {  # tests that take an implementation and are not asked, and why
    "test_agreement.test_each_half_stays_within_its_bound": "asked output by output: an answer, value, gradients, …",
    "test_behaviour.test_nothing_is_found_where_nothing_is_wrong": "asked way by way",
    "test_relations.test_every_relation_holds": "asked relation by relation",
    "test_semantics.test_what_is_not_fixed": "asked with the other edge cases",
    "test_exact_sums.test_libraries_have_no_error_there": "about sums that no order rounds, of which it asks a few",
    "test_grading.test_right_halves_have_the_whole_score": "about the score of a bank, whose verdicts are the judge's",
    "test_gpu_steps.test_stale_memory_is_found": "about a step of the GPU pack, with candidates of its own",
    "test_agreement.test_every_operation_is_there": "about the names in a module",
    "test_behaviour.test_the_checks_that_apply_are_named": "about the names that the judge tells",
    "test_relations.test_the_relations_that_apply_are_named": "about the names that the judge tells",
    "test_extremes.test_rows_of_extremes": "asked output by output and relation by relation, of such rows as well",
    "test_models.test_each_half_follows_its_library": "about the model of a library, which no mutant follows",
    **dict.fromkeys(
        (
            "test_article.test_probabilities_reach_0_and_1_in_floating_point",
            "test_article.test_the_diagonal_alone_is_right_in_the_label_and_0_elsewhere",
            "test_article.test_cross_entropy_is_smallest_where_the_distributions_are_alike",
        ),
        "one statement of the article, on its own numbers",
    ),
    **dict.fromkeys(
        (
            "test_steps.test_the_steps_are_exact_where_the_classes_are_equal",
            "test_steps.test_the_judge_agrees_with_the_fused_form",
        ),
        "about the article's steps, which only the halves have",
    ),
    **dict.fromkeys(
        ("test_information.test_gradients_are_difference_quotients", "test_information.test_gradients_beside_a_zero"),
        "asks functions that compute a gradient themselves, which no mutant has",
    ),
    "test_relations.test_a_relation_says_nothing_of_what_no_document_fixes": "about the judge: it must not reject",
    "test_accurate.test_a_tiny_upstream_gradient_loses_one_rounding": "one problem of those that keep their bound",
    "test_accurate.test_a_large_upstream_gradient_does_not_overflow": "one problem of those that keep their bound",
    "test_stages.test_without_positions_there_is_one_question": "about the judge: how many stages there are",
    "test_accurate.test_the_usual_form_loses_them": "about another test: that it can fail",
    "test_accurate.test_half_precision_is_rounded_once": "no mutant of class B is in half precision",
    **dict.fromkeys(
        (
            "test_article.test_softmax_of_one_two_three",
            "test_article.test_normaliser_of_one_two_three",
            "test_article.test_linear_layer",
            "test_article.test_probabilities",
            "test_article.test_divergence_is_cross_entropy_minus_entropy",
            "test_article.test_loss_of_the_worked_example",
            "test_article.test_the_chain_over_all_paths_is_the_fused_form",
            "test_article.test_the_articles_fragment_follows_one_path",
            "test_article.test_the_first_factor",
            "test_article.test_the_jacobian_is_diag_p_minus_p_p",
            "test_article.test_the_jacobian_of_a_batch_is_the_batch_of_jacobians",
        ),
        "a worked example, of functions that stand beside the operations",
    ),
}

# Where two cost the same, the one named first counts as the cheaper.
PROPERTIES = {
    each.name: each
    for each in (
        Property("an answer", _an_answer),
        Property("value", _output("value")),
        Property("gradients", _output("grad_")),
        Property("jvp", _output("jvp")),
        Property("hvp", _output("hvp_")),
        *(Property(name, asks) for name, (_, asks) in TESTS.items()),
        *(Property(f"relation: {name}", _relation(name)) for name in RELATIONS),
        *(Property(f"check: {name}", _way(name)) for name in CHECKS),
        Property("large problems", _large_problems),
        Property("relations of large problems", _relations_of_large_problems),
    )
}


class Found(NamedTuple):
    """How many questions were asked, up to the one that killed, if one did, and how many numbers were given in them."""

    questions: int
    killed: bool
    numbers: int


def kill(which: Property, mutant: Mutant, drawing: Drawing) -> Found:
    """Point one property at one mutant that nobody has asked anything yet."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):  # both show in the answers
        candidate, number = made(mutant), 0
        candidate.supports(mutant.operation)  # which tries out what it has
        candidate.counts.clear()
        torch.manual_seed(drawing.seed)  # of a mutant that throws dice
        for number, killed in enumerate(which.asks(mutant, candidate, drawing), 1):
            if killed:
                return Found(number, True, candidate.counts["numbers"])
    return Found(number, False, candidate.counts["numbers"])
