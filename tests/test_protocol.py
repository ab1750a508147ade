"""Problems and answers come through the protocol bit by bit, and nothing else comes through at all."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softproof import OPERATIONS, Output, Problem, Result, problems
from softproof.candidates.bits import same_bits
from softproof.candidates.description import Description, believed
from softproof.candidates.frames import START, FrameError, Message, header_size, opened, packed, parsed, read
from softproof.candidates.protocol import (
    Told,
    answer,
    decoded,
    encoded,
    most_bytes,
    problem_of,
    question,
    result_of,
    told_of,
)
from softproof.candidates.protocol import given as arrays_of
from softproof.problem.formats import FORMATS
from softproof.problem.interface import Interface

from .exploits.liar import HONEST


def through(message: Message) -> Message:
    """A message as it is read from its bytes."""
    data = b"".join(bytes(piece) for piece in packed(message))
    size = header_size(data[: START.size])
    rest = memoryview(data)[START.size + size :]

    def into(place: memoryview) -> None:
        nonlocal rest
        place[:] = rest[: len(place)]
        rest = rest[len(place) :]

    found = read(opened(data[START.size : START.size + size]), into)
    assert not rest
    return found


@given(data=st.data())
def test_a_problem_comes_through(data: st.DataObject) -> None:
    """With its options, layouts, vectors, and every bit of its numbers."""
    operation, dtype = data.draw(st.sampled_from(list(OPERATIONS))), data.draw(st.sampled_from(list(FORMATS)))
    problem = data.draw(problems(operation, dtype))

    message = through(Message("n", question(problem, "cuda:1", "twice", ("a", "b")), arrays_of(problem)))
    found = problem_of(message)
    assert (found.operation, found.dtype, found.layout) == (problem.operation, problem.dtype, problem.layout)
    assert (dict(found.options), list(found.inputs)) == (dict(problem.options), list(problem.inputs))
    assert all(same_bits(array, arrays_of(found)[name]) for name, array in arrays_of(problem).items())
    assert (message.body["device"], message.body["ask"], message.body["arguments"]) == ("cuda:1", "twice", ["a", "b"])


FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(values=st.lists(FLOATS, max_size=5), dtype=st.sampled_from(["float64", "float16", "int8", "x" * 80]))
def test_an_answer_comes_through(values: list[float], dtype: str) -> None:
    """NaN, infinities, -0 and nothing; a claim as it is, and cut."""
    problem = Problem("softmax", "float64", {"logits": [values]}, {"dim": -1})
    told = Told({"value": Output(np.array([values]), dtype, "cpu")}, arrays_of(problem),
                observed=(("shared with an input", "value", "logits"),))  # fmt: skip
    found = told_of(through(answer("n", told)), arrays_of(problem))

    assert same_bits(found.outputs["value"].values, told.outputs["value"].values)
    assert found.outputs["value"].dtype == dtype[:64] + "…" * (len(dtype) > 64)
    result = result_of(problem, found)
    assert (result.written, result.observed) == ((), ("value shares memory with the input logits",))


def test_what_a_call_writes_the_judge_sees_itself() -> None:
    """An input that comes back otherwise, or not at all."""
    problem = Problem("softmax", "float64", {"logits": [[0.0, np.nan]]}, {"dim": -1}, [[1.0, 2.0]])
    outputs = {"value": Output(np.zeros((1, 2)), "float64")}
    same = arrays_of(problem)

    assert result_of(problem, Told(outputs, same)).written == ()
    assert result_of(problem, Told(outputs, {**same, "logits": np.array([[0.0, 1.0]])})).written == ("logits",)
    assert result_of(problem, Told(outputs, {"logits": same["logits"]})).written == ("grad_output",)
    minus = {**same, "logits": np.array([[-0.0, np.nan]])}
    assert result_of(problem, Told(outputs, minus)).written == ("logits",)  # 0 and -0 are not the same bits


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(value=PLAIN)
def test_plain_data_comes_through(value: Any) -> None:
    """Tuples are tuples, and numbers those that they were; what is no plain data is refused."""
    found = decoded(json.loads(json.dumps(encoded(value))))

    assert repr(found) == repr(value)
    with pytest.raises(TypeError, match="is a object; expected plain data"):
        encoded([value, object()])


# ---- anything else --------------------------------------------------------------------------------------------------

STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["softmax", "dim", "\ud800", "value", "float64", "changed", "x" * 10**4]),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(
        st.sampled_from(["mapping", "tuple", "float", "whole", "x"]), st.lists(st.integers(0, 3)), max_size=2
    ),
)


def _changed(draw: Any, plain: Any) -> Any:
    """The same data with one place changed: another value, one more, or none."""
    plain = copy.deepcopy(plain)
    at = plain
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return draw(STRANGE)
        key = draw(st.sampled_from(keys))
        if isinstance(at[key], list | dict) and at[key] and draw(st.booleans()):
            at = at[key]
            continue
        if draw(st.integers(0, 4)) == 0:
            del at[key]
        else:
            at[key] = draw(STRANGE)
        return plain


T = TypeVar("T")


def _found(make: Callable[[], T]) -> T | str:
    """What is made, or the words of the error that it may be."""
    try:
        return make()
    except (FrameError, ValueError) as error:
        return str(error)


@given(data=st.data())
def test_no_description_ends_the_judge(data: st.DataObject) -> None:
    """It is believed as far as it goes, or refused; the name stays, and what can be asked is what there is."""
    adapter = data.draw(st.sampled_from(["numpy", "process"]))
    said = data.draw(st.composite(lambda draw: _changed(draw, {**HONEST, "adapter": adapter}))())
    found = _found(lambda: believed(said, "target", "softmax", adapter, Interface()))

    assert found.isprintable() if isinstance(found, str) else _asks_what_there_is(found, adapter)
    honest = {**HONEST, "adapter": adapter}
    assert _asks_what_there_is(believed(honest, "target", "softmax", adapter, Interface()), adapter)


def _asks_what_there_is(found: Description, adapter: str) -> bool:
    """Under the name that was given, and nothing that does not exist."""
    named = (found.name, found.adapter, set(found.takes)) == ("target", adapter, {"softmax"})
    extras = found.supports("softmax", found.interface) <= set(OPERATIONS["softmax"].extras)
    return named and extras and set(found.formats) <= set(FORMATS)


@given(data=st.data())
def test_no_answer_ends_the_judge(data: st.DataObject) -> None:
    """It is an answer, or a FrameError, in words that are printable."""
    problem = Problem("softmax", "float64", {"logits": [[0.0, 1.0]]}, {"dim": -1})
    told = Told({"value": Output(np.zeros((1, 2)), "float64")}, arrays_of(problem))
    message = answer("n", told)
    packets = bytes(packed(message)[0])
    text = packets[START.size : START.size + header_size(packets[: START.size])]
    header = data.draw(st.composite(lambda draw: _changed(draw, parsed(text)))())

    def make() -> Told:
        announced = opened(json.dumps(header).encode(), most_bytes(problem))
        return told_of(read(announced, lambda _place: None), arrays_of(problem))

    found = _found(make)
    words = [found] if isinstance(found, str) else _texts(result_of(problem, found))

    assert all(each.isprintable() for each in words)
    assert _texts(result_of(problem, told)) == ["value", ""]


def _texts(result: Result) -> list[str]:
    """All that it says."""
    return [*result.outputs, *result.changed, *result.observed, result.raised or ""]


@given(
    text=st.binary()
    | st.text().map(str.encode)
    | st.text('[]{}":,0123456789eE.-+ntf\\ud8', max_size=60).map(str.encode)
)
def test_no_header_ends_the_judge(text: bytes) -> None:
    """Any bytes are a header, or a FrameError."""
    found = _found(lambda: opened(text, 0))

    assert not isinstance(found, str) or found.isprintable()
    with pytest.raises(FrameError, match="bytes that begin with"):
        header_size((text + b" " * START.size)[: START.size])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[" * 4000, "maximum recursion depth|Expecting value"),  # which of them, by the version of Python
        (b"[" * 5000, "more than 4096 brackets"),
        (b'{"a": 1, "a": 1}', "a key stands there twice"),
        (b'{"a": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"a": ' + b"1" * 21 + b"}", "a number of 21 digits"),
        (b'{"a": 1e400}', "a number that float64 does not hold"),
        (b"\xff", "'utf-8' codec can't decode"),
        (b"{}", "a header with nothing; expected nonce, body and arrays"),
        (b'{"nonce": "", "body": {}, "arrays": {}}', "no list of at most 64"),
        (b'{"nonce": "", "body": [], "arrays": []}', "expected nonce, body and arrays"),
        (b'{"nonce": "", "body": {}, "arrays": [["x", "float64", [16777217]]]}', "134217736 bytes of arrays"),
    ],
)
def test_what_is_no_header_is_told(text: bytes, words: str) -> None:
    """Before anything is made of it."""
    with pytest.raises(FrameError, match=words):
        opened(text, 1 << 20)
