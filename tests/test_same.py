"""What is compared of two commits: everything but times, and a difference is told with its place."""

from __future__ import annotations

from audits.same import differences, digests, flat

BEFORE = {"rows": [{"verdict": "agrees", "ratio": 0.5, "note": "in 3.2 s"}], "seconds": 4}


def test_times_are_not_compared() -> None:
    """Neither as a number under their key, nor in a sentence."""
    after = {"rows": [{"verdict": "agrees", "ratio": 0.5, "note": "in 17 s"}], "seconds": 9}

    assert differences(BEFORE, after, {}) == []


def test_a_difference_is_told_with_both_sides() -> None:
    """In a value, and in a key that one of them lacks."""
    after = {"rows": [{"outcome": "agrees", "ratio": 0.25, "note": "in 3.2 s"}]}

    assert differences(BEFORE, after, {}) == [
        "/rows/0/verdict: 'agrees' before, 'absent' after",
        "/rows/0/ratio: 0.5 before, 0.25 after",
        "/rows/0/outcome: 'absent' before, 'agrees' after",
    ]
    assert differences(BEFORE, after, {"verdict": "outcome"}) == ["/rows/0/ratio: 0.5 before, 0.25 after"]


def test_nan_is_itself() -> None:
    """A figure that is no number is the same as before."""
    assert differences({"ratio": float("nan")}, {"ratio": float("nan")}, {}) == []
    assert flat({"ratio": [1.0, {"a": None}]}) == {"/ratio/0": 1.0, "/ratio/1/a": None}


def test_problems_have_digests() -> None:
    """The same ones each time, and others for another operation."""
    drawn = digests("softmax", "float32")

    assert len(set(drawn)) > 10
    assert drawn == digests("softmax", "float32")
    assert set(drawn).isdisjoint(digests("logsumexp", "float32"))
