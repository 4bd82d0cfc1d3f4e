"""Typed events: order, exceptions, and one list of subscribers for each class."""

from dataclasses import dataclass

import pytest

from control_plane.common.events import Event, Question


@dataclass(frozen=True)
class _Rang(Event):
    times: int


@dataclass(frozen=True)
class _Slept(Event):
    pass


@dataclass(frozen=True)
class _HowMany(Question[int]):
    factor: int


def _fail(event: _Rang) -> None:
    raise ValueError(event.times)


def test_subscribers_are_called_in_order_and_an_exception_reaches_the_publisher() -> None:
    seen: list[tuple[str, int]] = []
    _Rang.subscribe(lambda event: seen.append(("first", event.times)))
    _Rang.subscribe(lambda event: seen.append(("second", event.times)))
    _Slept.subscribe(lambda event: seen.append(("slept", 0)))
    _Rang(3).publish()
    assert seen == [("first", 3), ("second", 3)]
    _Rang.subscribe(_fail)
    _Rang.subscribe(lambda event: seen.append(("after", event.times)))
    with pytest.raises(ValueError, match="4"):
        _Rang(4).publish()
    assert seen[2:] == [("first", 4), ("second", 4)]


def test_a_question_gets_one_answer_from_each_subscriber() -> None:
    assert _HowMany(2).answers() == []
    _HowMany.answer_with(lambda question: question.factor * 10)
    _HowMany.answer_with(lambda question: question.factor)
    assert _HowMany(2).answers() == [20, 2]
