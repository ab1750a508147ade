"""Several questions to one candidate: a process of its own is sent the next ones before it has answered the first.

They are answered in order, each within the time of one question. What was answered before the process ended counts, and
all that it was asked after that is lost. It reads ahead in vain, as docs/guides/isolation.md says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable

from ..problem.problem import Problem, Result
from .candidate import Candidate
from .isolated import Isolated
from .protocol import result_of

AHEAD = 32  # questions that are sent before one is answered


def answers(candidate: Candidate, problems: Iterable[Problem], device: str = "cpu") -> Generator[Result]:
    """What `Candidate.answer` gives to each."""
    if type(candidate) is not Isolated:
        yield from (candidate.answer(problem, device) for problem in problems)
        return
    process, asked = candidate.process, deque[tuple[Problem, str]]()
    try:
        for problem in problems:
            asked.append((problem, process.send(problem, device, "answer", ())))
            if len(asked) > AHEAD:
                yield _next(candidate, *asked.popleft())
        while asked:
            yield _next(candidate, *asked.popleft())
    finally:
        if asked:  # whose answers would come in the place of others
            process.end()


def _next(candidate: Isolated, problem: Problem, nonce: str) -> Result:
    return result_of(problem, candidate.told(problem, nonce))
