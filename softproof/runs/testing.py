"""In the tests of others: a decorator that makes a pytest test of each operation, dtype and device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from inspect import signature
from typing import Any

from ..bounds.models import model
from ..candidates.candidate import Candidate
from ..candidates.isolated import SECONDS, STARTUP_SECONDS
from ..candidates.loading import Target
from ..problem.validation import check_flag, check_names
from ..reports.report import Report
from .config import INTERFACE
from .criteria import check_baseline, check_criteria
from .ladder import check_ladder, named
from .opening import open_baseline, open_candidate
from .search import EXAMPLES
from .verification import check_run, dtypes_of, verify

WHERE: dict[str, Any] = {"in_process": None, "time_limit": SECONDS, "startup_limit": STARTUP_SECONDS,
                         "sandbox": "off", "sandbox_read": (), "sandbox_env": ()}  # fmt: skip
ABSENT = ("cuda", "mps", "xpu", "gpu", "tpu")  # devices that not every machine has


def _candidate(
    target: Target, operation: str | None, dtypes: Sequence[str] | None, device: str, arguments: Mapping[str, Any]
) -> Candidate:
    """What `verify` would ask, closed again; ValueError or TypeError where an argument does not fit."""
    interface: Any = {name: value for name, value in arguments.items() if name in INTERFACE}
    if unknown := set(arguments) - set(INTERFACE) - set(signature(verify).parameters):
        raise TypeError(f"conformance has no argument {', '.join(sorted(unknown))}; softproof.verify has none either")
    check_run(**{name: arguments[name] for name in signature(check_run).parameters if name in arguments})
    check_baseline(arguments.get("accuracy", "C"), arguments.get("baseline"), arguments.get("factor", 1.0))
    check_ladder(arguments.get("arithmetic"), arguments.get("accuracy", "C"))
    chosen, examples = model(named(arguments.get("arithmetic"))), arguments.get("examples", EXAMPLES)
    where = {name: arguments.get(name, usual) for name, usual in WHERE.items()}
    asked = operation, arguments.get("adapter"), device, dtypes, examples, interface
    with ExitStack() as stack:
        baseline = open_baseline(arguments.get("baseline"), operation, **where)
        if baseline is not None:
            stack.enter_context(closing(baseline))
        candidate = stack.enter_context(closing(open_candidate(target, *asked, **where)))
        check_criteria(candidate, baseline, chosen, dtypes_of(candidate, dtypes))
        return candidate


@dataclass(frozen=True)
class Case:
    """One operation of a target in one dtype on one device, which a test may `check`."""

    target: Target
    operation: str
    dtype: str
    device: str
    arguments: dict[str, Any]  # of `softproof.verify`
    skip: bool  # where the device is not there

    def verify(self) -> Report:
        """The report of `softproof.verify`; the test is skipped where the device is not there."""
        import pytest

        if self.skip and self.device.partition(":")[0] in ABSENT:
            try:
                _candidate(self.target, self.operation, [self.dtype], self.device, self.arguments)
            except ValueError as error:
                pytest.skip(str(error))
        return verify(self.target, operation=self.operation, dtypes=[self.dtype], device=self.device, **self.arguments)

    def check(self) -> None:
        """AssertionError with the report where something does not agree."""
        self.verify().check()


def conformance(
    target: Target,
    *,
    operation: str | None = None,
    dtypes: Sequence[str] | None = None,
    devices: Sequence[str] = ("cpu",),
    expected_failures: Sequence[str] = (),
    require_devices: bool = False,
    **arguments: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a test that takes `conformance`, a `Case`, for each operation of a target, dtype and device.

    Its ids read ``softmax-float32-cpu``. pytest-xdist shares the tests out like any others.

    Args:
        target, operation, dtypes: as in `softproof.verify`.
        devices: where tensors live. A test on a device that is not there is skipped, and says so, unless
            `require_devices`.
        expected_failures: ids that are expected not to agree, and fail when they do. One that matches no test is a test
            that fails.
        arguments: all others of `softproof.verify`, such as `arithmetic`, `seed`, `examples` and `without`.
    Returns: a decorator, `pytest.mark.parametrize` with these cases.
    Raises: ValueError or TypeError where the target or an argument does not fit, when the test is defined. A target
        that is given by its name is not imported here: it is looked at in a process of its own, as it is judged.

    >>> import softproof
    >>> @softproof.conformance("manual:softmax", dtypes=["float32"], examples=5, seed=0)
    ... def test_softmax(conformance):
    ...     conformance.check()
    >>> [case.id for case in test_softmax.pytestmark[0].args[1]]
    ['softmax-float32-cpu']
    """
    import pytest

    for name, given, example in (
        ("devices", devices, "cpu"),
        ("expected_failures", expected_failures, "softmax-float32-cpu"),
    ):
        check_names(name, given, given if isinstance(given, str) else example)
    check_flag("require_devices", require_devices)
    candidate = _candidate(target, operation, dtypes, "cpu", arguments)
    if wrong := [device for device in devices if device.partition(":")[0] not in ("cpu", *ABSENT)]:
        raise ValueError(f"devices has {wrong[0]!r}; expected cpu, or one of {', '.join(ABSENT)}")
    cases = {
        f"{name}-{dtype}-{device}": Case(target, name, dtype, device, arguments, not require_devices)
        for name in candidate.operations
        for dtype in dtypes_of(candidate, dtypes)
        for device in devices
    }
    fails = pytest.mark.xfail(strict=True, raises=AssertionError, reason="an expected failure")
    params = [
        pytest.param(case, id=name, marks=[fails] if name in expected_failures else []) for name, case in cases.items()
    ]
    unknown = sorted(set(expected_failures) - set(cases))
    params += [pytest.param(_Unknown(name, tuple(cases)), id=f"expected failure {name}") for name in unknown]
    return pytest.mark.parametrize("conformance", params)


@dataclass(frozen=True)
class _Unknown:
    """In place of a case that is expected to fail and is none."""

    name: str
    names: tuple[str, ...]

    def verify(self) -> Report:
        """Always fails."""
        raise AssertionError(f"expected_failures has {self.name!r}; the tests are {', '.join(self.names)}")

    def check(self) -> None:
        """Always fails."""
        self.verify()
