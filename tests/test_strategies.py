"""The generator reaches the hard regions, and what it draws is what it says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from random import Random
from unittest import mock

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from softproof import OPERATIONS, Candidate, Problem, Result, problems, verify
from softproof.generation.coverage import REGIONS, regions
from softproof.generation.logit_styles import STYLES, Draw, styles
from softproof.generation.masks import BLOCKS, RUNS, run, run_of_rows, runs_along
from softproof.generation.request import MOST
from softproof.generation.steering import SETTINGS, settings_of
from softproof.problem.checks import check
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.kinds import kinds_of
from softproof.problem.losses import is_labels
from softproof.problem.outputs import value_shape
from softproof.problem.problem import Array
from softproof.runs.schedule import Schedule
from softproof.runs.search import EXAMPLES
from softproof.truth.solver import solve

from .helpers.candidates import MANUAL


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_problems_are_well_formed(operation: str, name: str, data: st.DataObject) -> None:
    """Every value is a number of the format, and the upstream gradient has the shape of the value."""
    problem = data.draw(problems(operation, name, small=data.draw(st.booleans())))

    check(problem)
    if problem.grad_output is not None:
        assert problem.grad_output.shape == solve(problem)["value"].shape


@pytest.mark.parametrize("operation", ["softmax", "cross_entropy", "linear"])
def test_no_drawn_problem_is_large(operation: str) -> None:
    """However they are mutated towards more elements, as a run mutates them towards larger errors."""
    sizes: list[int] = []

    @hypothesis.seed(0)
    @hypothesis.settings(max_examples=400, database=None, phases=[Phase.generate, Phase.target], deadline=None,
                         suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(problem=problems(operation, "float32"))
    def grow(problem: Problem) -> None:
        sizes.append(max(prod(value_shape(problem)), *(array.size for array in problem.inputs.values())))
        hypothesis.target(float(sizes[-1]))

    grow()
    assert max(sizes) <= MOST
    assert max(sizes) > MOST // 16  # they do grow


@dataclass(frozen=True)
class _Recorder(Candidate):
    """Answers by hand, and counts the regions that it was asked about."""

    reached: Counter[str] = field(default_factory=Counter)

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        self.reached.update(regions(problem))
        return super().answer(problem, device)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_default_number_of_examples_reaches_every_region(operation: str, trial_seed: int) -> None:
    """The 100 problems of a row of the report, from each seed (`--seeds`)."""
    by_hand = MANUAL.only(operation)
    recorder = _Recorder(by_hand.name, by_hand.functions, by_hand.backwards, by_hand.adapter)

    with mock.patch.object(Schedule, "_besides", return_value=None):  # the problems as they are drawn, and nothing else
        verify(recorder, dtypes=["float32"], seed=trial_seed).check()

    assert not set(REGIONS[operation]) - set(recorder.reached)


def _may_be_made(operation: str) -> list[str]:
    return [region for region in REGIONS[operation] if settings_of(region)]


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # which Hypothesis would print
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_region_is_made(operation: str, number_of_the_run: int) -> None:
    """Of a hundred problems towards it one lies there, whatever the dtype."""
    rng = np.random.default_rng(number_of_the_run)
    few = settings(max_examples=100, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    for region in rng.choice(_may_be_made(operation), 4, replace=False).tolist():
        drawn = problems(operation, str(rng.choice(list(FORMATS))), towards=region)
        found = hypothesis.find(drawn, partial(_lies_in, region), settings=few, random=Random(rng.bytes(8)))
        assert region in regions(found)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_left_out_is_never_needed(operation: str, number_of_the_run: int) -> None:
    """Without any one kind of question, each region is drawn towards: by a problem that is asked, and no error."""
    rng, extras = np.random.default_rng(number_of_the_run), frozenset(OPERATIONS[operation].extras)
    left, all_regions = sorted(extras), sorted(REGIONS[operation])
    some = [(str(rng.choice(left)), str(rng.choice(all_regions))) for _ in range(20)]
    for kind, region in [*(("empty", each) for each in all_regions if settings_of(each)), *some]:
        drawn = problems(operation, "float32", supports=extras - {kind}, towards=region)
        check(hypothesis.find(drawn, lambda _: True, settings=_ONE, random=Random(rng.bytes(8))))


_ONE = settings(max_examples=1, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


def _lies_in(region: str, problem: Problem) -> bool:
    return region in regions(problem)


def test_what_is_set_is_there() -> None:
    """No setting is of a region that no operation has, but for parts of names."""
    names = {part for of in REGIONS.values() for region in of for part in (region, *region.split(", "))}
    assert set(SETTINGS) <= names
    assert len(SETTINGS) > 40


@pytest.mark.draws
def test_what_a_candidate_does_not_take_is_not_set() -> None:
    """A region that needs it is not made, and what is drawn towards it is a problem of the interface all the same."""
    drawn = problems("cross_entropy", "float32", supports=frozenset(), towards="weights, smoothing, probabilities")
    seen: list[Problem] = []

    @hypothesis.settings(max_examples=10, database=None, phases=[Phase.generate], deadline=None)
    @given(problem=drawn)
    def ask(problem: Problem) -> None:
        seen.append(problem)

    ask()
    assert len(seen) > 1
    assert all(problem.inputs.keys() == {"logits", "target"} and is_labels(problem) for problem in seen)
    assert not any("label_smoothing" in problem.options for problem in seen)


def test_regions_are_told_apart() -> None:
    """A problem that lies in none of those that concern values, and one that lies in several."""
    plain = Problem("softmax", "float32", {"logits": [np.arange(6.0)]}, {"dim": -1}, [np.ones(6)])
    hard = Problem("softmax", "float32", {"logits": [[0.0, -200.0, -np.inf], [np.inf, np.nan, 0.0]]}, {"dim": -1},
                   np.zeros((2, 3)), layout={"logits": "sliced", "grad_output": "expanded"})  # fmt: skip

    assert regions(plain) == ("2 to 9 classes",)
    assert set(regions(hard)) == {
        "2 to 9 classes", "classes a power of two less 1", "a gap above 17", "a gap above 104",
        "exponentials that underflow", "masked classes", "a row with +inf", "a row with NaN",
        "an upstream gradient of zero", "logits sliced", "grad_output expanded",
    }  # fmt: skip


def _counted(draw: Draw, drawn: Counter[str], name: str) -> Draw:
    """The same, and one more under `name` whenever it is called."""

    def counting(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        drawn[name] += 1
        return draw(rng, shape)

    return counting


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FORMATS)
def test_every_style_is_drawn(seed: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default number of softmax problems shows every style that the format holds, from each of three seeds."""
    drawn: Counter[str] = Counter()
    for each, style in STYLES.items():
        monkeypatch.setitem(STYLES, each, replace(style, draw=_counted(style.draw, drawn, each)))

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=EXAMPLES, database=None, deadline=None, phases=[hypothesis.Phase.generate])
    @given(problem=problems("softmax", name, supports=frozenset({"dim"})))  # tangents have no style
    def draw(problem: Problem) -> None:
        assert problem.inputs

    draw()

    assert set(drawn) == set(styles(name, finite=False))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("shape", [(0, 3), (1,), (200, 17)])
def test_styles_are_finite_logits(name: str, shape: tuple[int, ...]) -> None:
    """In every format that is said to hold them, and so are the distances where that is asked for."""
    for style in styles(name, finite=False):
        x = FORMATS[name].round(STYLES[style].draw(np.random.default_rng(0), shape))

        assert x.shape == shape
        assert np.isfinite(x).all(), style
        if style in styles(name):
            assert np.isfinite(FORMATS[name].round(np.ptp(x, -1) if x.size else 0.0)).all(), style


@pytest.mark.parametrize("operation", ["cross_entropy", "linear_cross_entropy"])
@given(data=st.data())
def test_what_is_not_supported_is_not_drawn(operation: str, data: st.DataObject) -> None:
    """Neither logits without a batch, nor probabilities, negative weights or rows that are not finite."""
    left_out = {"unbatched", "probabilities", "negative_weights", "nonfinite"}
    supports = frozenset(OPERATIONS[operation].extras) - left_out
    problem = data.draw(problems(operation, "float32", supports=supports))

    main = next(iter(problem.inputs.values()))
    assert main.ndim >= 2
    assert not np.isnan(main).any()
    assert not np.isposinf(main).any()
    assert problem.inputs["target"].dtype == np.int64
    assert not (problem.inputs.get("weight", np.ones(1)) < 0).any()


@settings(max_examples=400)
@given(data=st.data())
def test_no_ignored_row_is_strange_unless_that_is_supported(data: st.DataObject) -> None:
    """Others may be."""
    extras = frozenset(OPERATIONS["cross_entropy"].extras) - {"ignored_nonfinite"}
    towards = data.draw(st.sampled_from(["some rows ignored", "NaN or inf in ignored rows"]))
    fixed = {"reduction": "none"}  # of other rows that are not finite
    problem = data.draw(problems("cross_entropy", "float32", supports=extras, fixed=fixed, towards=towards))
    assert "ignored_nonfinite" not in kinds_of(problem)


@given(data=st.data())
def test_probabilities_sum_to_one_unless_others_are_supported(data: st.DataObject) -> None:
    """Up to rounding."""
    supports = frozenset(OPERATIONS["cross_entropy"].extras) - {"unnormalised"}
    problem = data.draw(problems("cross_entropy", "float64", supports=supports))
    target = problem.inputs["target"]

    if target.dtype != np.int64:
        axis = min(target.ndim - 1, 1)
        allowed = 2 * target.shape[axis] * 2.0**-53  # C u for the division by a computed sum, and C u for this one
        assert (target >= 0).all()
        assert (np.abs(target.sum(axis) - 1) <= allowed).all()


@given(data=st.data())
def test_distributions_sum_to_one_unless_others_are_supported(data: st.DataObject) -> None:
    """Up to rounding."""
    problem = data.draw(problems("kl_divergence", "float64", supports=frozenset({"dim", "empty"})))

    assert "rows that do not sum to 1" not in regions(problem)
    for x in problem.inputs.values():
        axis = problem.options["dim"]
        assert (x >= 0).all()
        assert (np.abs(x.sum(axis) - 1) <= 2 * x.shape[axis] * 2.0**-53).all()


@given(data=st.data())
def test_one_size_of_a_linear_layer_is_large_at_most(data: st.DataObject) -> None:
    """And none of them in a small problem."""
    large, small = (
        data.draw(problems("linear", "float32", small=each)).inputs["weight"].shape for each in (False, True)
    )

    assert min(large) <= 17
    assert max(large) <= 640
    assert max(small) <= 3


@given(data=st.data())
def test_only_the_layouts_that_are_asked_for_are_drawn(data: st.DataObject) -> None:
    """Such as the negative steps that torch does not have."""
    problem = data.draw(problems("cross_entropy", "float32", layouts=["reversed"]))

    layouts = {problem.layout_of(name) for name in (*problem.inputs, "grad_output")}
    assert layouts <= {"contiguous", "reversed"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_same_seed_draws_the_same_problems(operation: str) -> None:
    """Expansion is deterministic: a problem is its structure."""
    drawn: list[str] = []

    @hypothesis.seed(1)
    @hypothesis.settings(max_examples=10, database=None, deadline=None, phases=[hypothesis.Phase.generate])
    @given(problem=problems(operation, "float32"))
    def draw(problem: Problem) -> None:
        drawn.append(repr(problem))

    draw()
    draw()

    half = len(drawn) // 2
    assert drawn[:half] == drawn[half:]
    assert len(set(drawn)) > 1


def _image(target: object, **options: object) -> Problem:
    """A loss of images (2, 3, 2)."""
    return Problem("cross_entropy", "float32", {"logits": np.arange(12.0).reshape(2, 3, 2), "target": np.array(target)},
                   options, np.ones((2, 2)) if options.get("reduction") == "none" else 1.0)  # fmt: skip


def _rows(**options: object) -> Problem:
    """A loss of three rows of two classes; the first is ignored."""
    inputs = {"logits": np.zeros((3, 2)), "target": np.array([-100, 0, 1])}
    if "ignore_index" in options:
        inputs["target"] = np.array([1, 0, 0])
    return Problem("cross_entropy", "float32", inputs, options, 1.0)


def _layer(rows: int | tuple[int, ...], features: int, classes: int) -> Problem:
    lead = (rows,) if isinstance(rows, int) else rows
    inputs = {"input": np.zeros((*lead, features)), "weight": np.zeros((classes, features)), "bias": np.ones(classes)}
    return Problem("linear", "float32", inputs, {}, np.arange(float(prod(lead) * classes)).reshape(*lead, classes))


def _ones(shape: tuple[int, ...]) -> Problem:
    """Of logits, with an upstream gradient."""
    return Problem("softmax", "float32", {"logits": np.zeros(shape)}, {"dim": -1}, np.ones(shape))


def _upstream(*numbers: float) -> Problem:
    return replace(_ones((3,)), grad_output=np.array(numbers))


def _labelled(labels: list[int], **options: object) -> Problem:
    """A loss of two rows of 128 classes."""
    inputs = {"logits": np.zeros((2, 128)), "target": np.array(labels)}
    return Problem("cross_entropy", "float32", inputs, options, np.ones(2 if options else ()))


def _shares(rows: int) -> Problem:
    """A loss of probabilities of two classes."""
    inputs = {"logits": np.zeros((rows, 2)), "target": np.full((rows, 2), 0.5), "weight": np.array([1.0, 2.0])}
    return Problem("cross_entropy", "float32", inputs, {}, 1.0)


def _weighted(weight: float) -> Problem:
    """The loss of one row without a batch."""
    inputs = {"logits": np.zeros(2), "target": np.array(0), "weight": np.array([weight, 2.0])}
    return Problem("cross_entropy", "float32", inputs, {}, 1.0)


def _summed(dim: tuple[int, ...]) -> Problem:
    """The logsumexp of two matrices along several axes, which are kept."""
    shape = tuple(1 if axis in dim else 2 for axis in range(3))
    options, upstream = {"dim": dim, "keepdim": True}, np.arange(float(prod(shape))).reshape(shape)
    return Problem("logsumexp", "float32", {"logits": np.zeros((2, 2, 2))}, options, upstream)


def _products(scale: float) -> Problem:
    """A layer of one feature, one of whose products is 0."""
    inputs = {"input": np.array([[scale], [0.0]]), "weight": np.array([[scale]])}
    return Problem("linear", "float32", inputs, {}, np.ones((2, 1)))


def _many_labels(rows: int, last: int, index: int) -> Problem:
    """The sum of the losses of many rows of two classes."""
    inputs = {"logits": np.zeros((rows, 2)), "target": np.array([*([1] * (rows - 1)), last])}
    return Problem("cross_entropy", "float32", inputs, {"reduction": "sum", "ignore_index": index}, 1.0)


def _classifier(rows: int, classes: int, scale: float = 8.0) -> Problem:
    arrays = {"input": np.full((rows, 2), scale), "linear_weight": np.ones((classes, 2)), "target": np.zeros(rows, int)}
    return Problem("linear_cross_entropy", "float32", arrays, {}, 1.0)


def _divergence(p: list[float], q: list[float]) -> Problem:
    return Problem("kl_divergence", "float32", {"p": p, "q": q}, {"dim": 0}, 1.0)


MASKED = np.where(np.arange(40) < 32, -np.inf, 0.0)
LOWEST = np.full(2, -FORMATS["float32"].largest)
SQUARE = {"input": np.zeros((2, 3)), "weight": np.zeros((2, 3))}


@pytest.mark.parametrize(
    ("region", "inside", "outside"),
    [
        (
            "32 masked classes side by side",
            Problem("softmax", "float32", {"logits": MASKED}, {"dim": 0}),
            Problem(
                "softmax", "float32", {"logits": np.roll(np.where(np.arange(40) == 9, 0.0, MASKED), 3)}, {"dim": 0}
            ),
        ),
        (
            "a row of the lowest number",
            Problem("softmax", "float32", {"logits": LOWEST}, {"dim": 0}),
            Problem("softmax", "float32", {"logits": [*LOWEST, 0.0]}, {"dim": 0}),
        ),
        (
            "several rows count, some are ignored, reduction sum",
            _rows(reduction="sum"),
            replace(_rows(reduction="sum"), grad_output=np.array(0.0)),
        ),
        (
            "smoothing, an ignore_index that is a class",
            _rows(ignore_index=1, label_smoothing=0.1),
            _rows(ignore_index=-100, label_smoothing=0.1),
        ),
        (
            "as many rows as pixels, reduction none",
            _image([[0, 1], [2, 0]], reduction="none"),
            _image([[0, 1], [2, 0]], reduction="sum"),
        ),
        (
            "images that count differently, reduction mean",
            _image([[0, 1], [-100, 0]]),
            _image([[-100, 1], [-100, 0]]),
        ),
        (
            "as many rows as classes, a bias",
            Problem("linear", "float32", SQUARE | {"bias": np.zeros(2)}, {}, np.arange(4.0).reshape(2, 2)),
            Problem("linear", "float32", SQUARE, {}, np.arange(4.0).reshape(2, 2)),
        ),
        ("features past a tile of 256", _layer(1, 257, 2), _layer(1, 512, 2)),
        ("classes past a tile of 256", _layer(1, 2, 257), _layer(0, 2, 257)),
        ("more than 130 features, a bias", _layer(1, 131, 2), _layer(1, 130, 2)),
        ("no rows, one class", _layer(0, 3, 1), _layer(0, 3, 2)),
        ("more than four dimensions", _ones((2, 2, 2, 2, 2)), _ones((2, 2, 2, 2, 1))),
        (
            "as many positions as classes, strided",
            replace(_ones((2, 9, 9)), options={"dim": 1}, layout={"logits": "transposed"}),
            replace(_ones((2, 9, 9)), layout={"logits": "transposed"}),
        ),
        ("all sizes multiples of 8", _ones((8, 16)), _ones((8, 12))),
        ("an upstream gradient of 1 before others", _upstream(1.0, 2.0, 3.0), _upstream(1.0, 1.0, 3.0)),
        ("an upstream gradient of 0 before others", _upstream(0.0, 2.0, 3.0), _upstream(2.0, 0.0, 3.0)),
        ("several dims that are kept", _summed((1, 2)), _summed((0, 1, 2))),
        ("a value beyond the largest number", _products(2.0**65), _products(2.0**60)),
        ("an upstream gradient near overflow", _upstream(0.0, 2.0**117, 0.0), _upstream(0.0, 2.0**115, 0.0)),
        (
            "an ignore_index that is a label in 32 bits, reduction mean",
            _rows(ignore_index=1 - 2**32),
            _rows(ignore_index=1),
        ),
        ("the last of many rows ignored by a class, reduction sum", _many_labels(65, 0, 0), _many_labels(65, 1, 0)),
        ("more than three dimensions of features", _layer((2, 2, 2), 3, 2), _layer((2, 2, 1), 3, 2)),
        ("rows, classes and features past a tile of 128", _layer(129, 129, 129), _layer(129, 129, 128)),
        ("no features, a bias", _layer(2, 0, 3), _layer(0, 0, 3)),
        ("a usual call", _ones((2, 3)), replace(_ones((2, 3)), layout="strided")),
        ("a usual call, reduction mean", _labelled([0, 1]), _labelled([1, 1])),
        ("a usual call, reduction none", _labelled([0, 1], reduction="none"), _labelled([0, 1])),
        ("a label near the last of 100 classes", _labelled([124, 125]), _labelled([125, 127])),
        ("as many rows as classes, weights, probabilities", _shares(2), _shares(3)),
        ("no batch, weights, reduction mean", _weighted(0.5), _weighted(1.0)),
        ("rows and classes past a tile of 128", _classifier(129, 129), _classifier(129, 128)),
        ("whole logits far from 0", _classifier(2, 2, 64.0), _classifier(2, 2, 64.5)),
        ("rows that do not sum to 1", _divergence([0.25, 0.25], [0.5, 0.5]), _divergence([0.5, 0.5], [0.0, 1.0])),
        ("less of p than of q", _divergence([0.25, 0.25], [0.5, 0.5]), _divergence([0.5, 0.5], [0.25, 0.25])),
    ],
)
def test_a_region_begins_and_ends(region: str, inside: Problem, outside: Problem) -> None:
    """With what shows the defect that it was made for."""
    assert region in regions(inside)
    assert region not in regions(outside)


def test_labels_above_256_are_a_region() -> None:
    """Where they count."""
    inputs = {"logits": np.zeros((1, 301)), "target": np.array([299])}
    problem = Problem("cross_entropy", "float32", inputs, {}, 1.0)

    assert "an odd label above 256" in regions(problem)
    assert "an odd label above 256" not in regions(replace(problem, options={"ignore_index": 299}))


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("size", [2, 3, 9, 17, 33, 130])
def test_a_run_leaves_some_places_out_and_not_all(name: str, size: int) -> None:
    """Of any size, from each of many seeds; runs as long as a chunk are among them."""
    found = np.array([_run(name, seed, size) for seed in range(200)])
    changes = np.count_nonzero(found[:, 1:] != found[:, :-1], axis=1)

    assert found.any(-1).all()
    assert not found.all(-1).any()
    if name in ("prefix", "suffix"):
        assert (changes == 1).all()
        assert max((block for block in BLOCKS if block < size), default=1) in found.sum(-1)
    if name == "all but one":
        assert (found.sum(-1) == size - 1).all()
    assert len(np.unique(found, axis=0)) > 1 or size == 2


def _run(name: str, seed: int, size: int) -> Array:
    """A run of one kind."""
    with mock.patch.dict(RUNS, {name: RUNS[name]}, clear=True):
        return run(np.random.default_rng(seed), size)


def test_images_are_ignored_as_a_whole() -> None:
    """Now and then; and the classes of each row have the same run, or their own."""
    rows = [run_of_rows(np.random.default_rng(seed), (3, 4)) for seed in range(50)]
    classes = [runs_along(np.random.default_rng(seed), (4, 33, 2), 1) for seed in range(20)]

    assert any(each.all(-1).sum() == 1 and each.sum() == 4 for each in rows)
    assert {bool((each == each[:1, :, :1]).all()) for each in classes} == {True, False}
    assert all(each.any(1).all() and not each.all(1).any() for each in classes)
