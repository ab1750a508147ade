"""Malformed calls of every public function: the right answer, or an error that names an argument; and nothing else."""

from __future__ import annotations

import contextlib
import inspect
import random
import re
import signal
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import manual
import reference
import softproof

from .helpers.hostile import HOSTILE, NUMBERS, Argument, Call, NoMeaningError, by_numpy
from .helpers.valid_calls import CALLS, X

SECONDS = 20.0  # that a call may take
MANY = 20_000  # calls of the thorough form
FINE = ("answered", "refused", "cannot be made")


class TooLateError(BaseException):
    """Nobody who catches exceptions catches this one."""


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """TooLateError after so many seconds."""

    def late(*_: Any) -> None:
        raise TooLateError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def contents(value: Any) -> Any:
    """Something that is equal where two values are the same bit for bit."""
    if isinstance(value, torch.Tensor):
        numbers = value.layout is torch.strided and not value.is_nested and not value.is_meta
        return str(value.dtype), repr((value.shape, value.detach().resolve_neg().tolist())) if numbers else ""
    if isinstance(value, np.ndarray | np.generic):
        return type(value), value.dtype, value.shape, str(value) if value.dtype.kind in "OV" else value.tobytes()
    if isinstance(value, Mapping):
        return {name: contents(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [contents(each) for each in value]
    if isinstance(value, float | int | str | None) and value == value:
        return value
    try:
        return str(value)
    except Exception:  # which says so
        return type(value)


def answer(call: Call, arguments: Mapping[str, Any]) -> Any:
    """What the function returns, if it does so in time."""
    with deadline(SECONDS):
        return contents(call.finish(call.function(**arguments)))


def named(call: Call, error: Exception, chosen: Mapping[str, str]) -> bool:
    """Whether an error names an argument that is not the valid one, or an array that does not fit beside it."""
    names = set(chosen)
    if names & {"dim", "keepdim"} or any(call.arguments[name].meaning in NUMBERS for name in chosen):
        names |= {name for name, argument in call.arguments.items() if argument.meaning in NUMBERS}
    return any(re.search(rf"\b{name}\b", str(error)) for name in names)


def outcome(call: Call, chosen: Mapping[str, str]) -> str:
    """What comes of a call with some arguments replaced by hostile values."""
    arguments = {name: each.make() for name, each in call.arguments.items()}
    try:
        arguments |= {name: HOSTILE[kind](arguments[name]) for name, kind in chosen.items()}
    except (ValueError, TypeError, RuntimeError, OverflowError):
        return "cannot be made"
    before = contents(arguments)
    try:
        found = answer(call, arguments)
    except (TypeError, ValueError, IndexError) as error:
        if contents(arguments) != before:
            return f"changed its arguments, and raised {type(error).__name__}"
        return "refused" if named(call, error, chosen) else f"UNCLEAR {type(error).__name__}: {error}"
    except TooLateError:
        return "UNCLEAR: no answer in time"
    except Exception as error:
        return f"UNCLEAR {type(error).__name__}: {error}"
    if contents(arguments) != before:
        return "UNCLEAR: changed its arguments"
    return _meant(call, arguments, chosen, found)


def _meant(call: Call, arguments: dict[str, Any], chosen: Mapping[str, str], found: Any) -> str:
    """Whether an answer is that to what the arguments mean."""
    try:
        meant = {name: call.arguments[name].meaning(arguments[name]) for name in chosen}
    except NoMeaningError:
        return "UNCLEAR: accepted what means nothing"
    try:
        expected = answer(call, arguments | meant)
    except Exception as error:
        return f"UNCLEAR: accepted, and what it means raises {type(error).__name__}: {error}"
    return "answered" if found == expected else "UNCLEAR: another answer"


def drawn(call: Call, rng: random.Random) -> dict[str, str]:
    """One or two arguments, and what takes their place."""
    names = rng.sample(sorted(call.arguments), min(len(call.arguments), rng.choice((1, 2))))
    return {name: rng.choice(sorted(HOSTILE)) for name in names}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Databases are folders, some of which are made."""
    with contextlib.chdir(tmp_path_factory.mktemp("malformed")):
        yield


@pytest.fixture(scope="module")
def counts(request: pytest.FixtureRequest) -> Iterator[Counter[tuple[str, str]]]:
    """How many calls came to what, by package; printed in the end where they are many."""
    found = Counter[tuple[str, str]]()
    yield found
    if found.total() >= MANY:
        write = request.config.get_terminal_writer().line
        write(f"\nmalformed calls: {found.total():,}")
        for (package, kind), count in sorted(found.items()):
            write(f"  {package:10} {kind:40} {count:6,}")


def _asked(call: Call, chosen: Mapping[str, str], counts: Counter[tuple[str, str]]) -> None:
    """One call, which is counted."""
    with warnings.catch_warnings(action="ignore"):
        found = outcome(call, chosen)
    counts[call.name.partition(".")[0], found.partition(":")[0]] += 1
    assert found in FINE, f"{call.name} with {chosen}: {found}"


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=6, suppress_health_check=list(HealthCheck))  # a call may draw problems itself
@given(seed=st.integers(0, 2**32 - 1))
def test_a_malformed_call_is_answered_or_refused_by_name(
    name: str, thorough: bool, counts: Counter[tuple[str, str]], seed: int
) -> None:
    """One or two arguments are replaced: the answer is that to what they mean, or an error names one of them."""
    rng = random.Random(seed)
    for _ in range(20 if thorough else 1):
        _asked(CALLS[name], drawn(CALLS[name], rng), counts)


@pytest.mark.thorough
@pytest.mark.parametrize("name", CALLS)
def test_every_argument_is_replaced_by_everything(name: str, counts: Counter[tuple[str, str]]) -> None:
    """One at a time."""
    call = CALLS[name]
    for argument, kind in product(call.arguments, HOSTILE):
        _asked(call, {argument: kind}, counts)


@pytest.mark.parametrize("name", CALLS)
def test_the_valid_call_is_answered(name: str) -> None:
    """Else its malformed forms would say nothing."""
    call = CALLS[name]
    arguments = {each: argument.make() for each, argument in call.arguments.items()}

    assert answer(call, arguments) == answer(call, arguments)


ELSEWHERE = {  # whose malformed calls are asked in files of their own
    "softproof.bank": "test_bank.py", "softproof.grade": "test_grading.py", "softproof.Bank": "test_bank.py",
    "softproof.Grade": "test_grading.py", "softproof.Measured": "test_measured.py",
}  # fmt: skip


def test_every_public_function_is_called() -> None:
    """Of all three packages."""
    called = {name.split(" ")[0] for name in CALLS}
    public = {f"{half.__name__}.{name}" for half in (manual, reference) for name, each in vars(half).items()
              if inspect.isfunction(each)}  # fmt: skip
    names = [name for name in dir(softproof) if not name.startswith("_")]
    public |= {f"softproof.{name}" for name in names if inspect.isfunction(getattr(softproof, name))}

    public -= ELSEWHERE.keys()
    assert called.isdisjoint(ELSEWHERE)
    assert called >= public
    records = {name for name in names if inspect.isclass(getattr(softproof, name))} - {"Implementation"}  # a protocol
    records -= {name.removeprefix("softproof.") for name in ELSEWHERE}
    assert called - public == {f"softproof.{name}" for name in records}


WRONG: dict[str, tuple[Any, str]] = {
    "an error without a name": (lambda logits: logits.nothing, "UNCLEAR AttributeError"),
    "a value that means nothing": (np.asarray, "UNCLEAR: accepted what means nothing"),
    "the numbers without the mask": (np.ma.getdata, "UNCLEAR: accepted what means nothing"),
    "a written argument": (lambda logits: logits.fill(7), "UNCLEAR: changed its arguments"),
    "an error of another kind": (lambda logits: {"x": 1}[str(logits)], "UNCLEAR KeyError"),
    "another argument's name": (lambda logits: softproof.any_order(str(logits)), "UNCLEAR ValueError"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_test_can_fail(wrong: str) -> None:
    """Each kind of wrong outcome, of a masked array."""
    function, words = WRONG[wrong]
    argument = Argument(lambda: np.ones((2, 2)), by_numpy)
    call = Call("wrong", lambda **given: function(*given.values()), {"logits": argument})

    assert outcome(call, {"logits": "masked"}).startswith(words)


def test_what_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that it has."""
    monkeypatch.setattr("tests.test_malformed.SECONDS", 0.05)
    call = Call("slow", lambda logits: time.sleep(60 + 0 * len(logits)), {"logits": Argument(lambda: X, by_numpy)})

    assert outcome(call, {"logits": "a list"}) == "UNCLEAR: no answer in time"
