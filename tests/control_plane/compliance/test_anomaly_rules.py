"""Anomaly rules as functions of values: no clock, no database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from control_plane.compliance.anomaly_rules import (
    Anomaly,
    Event,
    ReadContext,
    Rule,
    Thresholds,
    find_anomalies,
)

VERA, IVAN = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 11, 21, 11, tzinfo=UTC)
BERLIN = ReadContext(zone=ZoneInfo("Europe/Berlin"))
QUIET = Thresholds(watch_nights=False)


def look(
    minute: float, thing: str, *, who: UUID | None = VERA, action: str = "class.replayed", network: str = ""
) -> Event:
    at = NOON + timedelta(minutes=minute)
    return Event(int(minute * 60) + 100_000, at, action, who, thing, network)


def found(
    events: list[Event], thresholds: Thresholds = QUIET, *, after: int = 0, around: ReadContext = BERLIN
) -> list[Anomaly]:
    return find_anomalies(events, after=after, thresholds=thresholds, context=around)


def test_many_different_classes_within_an_hour_are_one_alert() -> None:
    events = [look(number, f"class {number}") for number in range(20)]
    (finding,) = found(events, Thresholds(classes_per_hour=12))
    assert (finding.rule, finding.person_id, finding.count) == (Rule.MANY_CLASSES, VERA, 13)


@pytest.mark.parametrize(
    "events",
    [
        [look(number, "one class") for number in range(40)],
        [look(number * 6, f"class {number}") for number in range(40)],
        [look(number, f"class {number}", who=UUID(int=number)) for number in range(40)],
        [look(number, f"room {number}", action="room.changed") for number in range(40)],
        [look(number, f"class {number}", who=None) for number in range(40)],
    ],
    ids=["the same class", "over hours", "everybody once", "no footage", "a job"],
)
def test_what_is_not_many_classes_of_one_person_is_none(events: list[Event]) -> None:
    assert found(events, Thresholds(classes_per_hour=12, watch_nights=False)) == []


def test_the_hour_slides() -> None:
    events = [look(55 + number, f"class {number}") for number in range(13)]
    assert [item.rule for item in found(events, Thresholds(classes_per_hour=12))] == [Rule.MANY_CLASSES]
    apart = [look(number * 5.01, f"class {number}") for number in range(13)]
    assert found(apart, Thresholds(classes_per_hour=12)) == []


def test_the_same_entries_again_have_the_same_occasion_and_old_ones_raise_nothing() -> None:
    events = [look(number, f"class {number}") for number in range(20)]
    once, again = found(events), found(events)
    assert [item.occasion for item in once] == [item.occasion for item in again]
    assert found(events, after=events[-1].sequence) == []


def test_a_number_of_zero_turns_a_rule_off() -> None:
    events = [look(number, f"class {number}") for number in range(50)]
    assert found(events, Thresholds(classes_per_hour=0, watch_nights=False)) == []


@pytest.mark.parametrize(
    ("utc_hour", "is_night"),
    [(20, False), (21, True), (23, True), (2, True), (4, True), (5, False), (11, False)],
)
def test_night_is_the_studios_own(utc_hour: int, is_night: bool) -> None:
    event = Event(1, NOON.replace(hour=utc_hour), "class.replayed", VERA, "class")
    rules = [item.rule for item in found([event], Thresholds())]
    assert rules == ([Rule.NIGHT] if is_night else [])


def test_one_night_is_one_alert_although_it_has_two_dates() -> None:
    evening = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
    events = [
        Event(number, evening + timedelta(hours=number), "class.replayed", VERA, f"class {number}")
        for number in range(1, 5)
    ]
    assert [item.occasion for item in found(events, Thresholds())] == [f"night:{VERA}:2026-11-21"]


def test_a_night_within_one_day_is_understood() -> None:
    thresholds = Thresholds(night_from_hour=1, night_to_hour=5)
    inside = Event(1, NOON.replace(hour=1), "class.opened", VERA, "class")
    outside = Event(2, NOON.replace(hour=22), "class.opened", VERA, "class")
    assert [item.event for item in found([inside, outside], thresholds)] == [inside]


def test_the_first_network_is_where_a_person_begins_and_the_second_is_new() -> None:
    events = [
        look(0, "a", network="home"),
        look(1, "b", network="home"),
        look(2, "c", network="cafe"),
        look(3, "d", network="cafe"),
    ]
    (finding,) = found(events)
    assert (finding.rule, finding.event, finding.occasion) == (
        Rule.NEW_NETWORK, events[2], f"new_network:{VERA}:cafe",
    )  # fmt: skip
    known = ReadContext(zone=BERLIN.zone, networks={VERA: frozenset({"home", "cafe"})})
    assert found(events, around=known) == []


def test_a_family_that_opens_a_class_without_its_dancers_is_noticed() -> None:
    around = ReadContext(zone=BERLIN.zone, foreign_classes=frozenset({(VERA, "theirs")}))
    events = [look(0, "own"), look(1, "theirs"), look(2, "theirs"), look(3, "theirs", who=IVAN)]
    (finding,) = found(events, around=around)
    assert (finding.rule, finding.event) == (Rule.OTHER_FAMILY, events[1])


def test_every_use_of_break_glass_is_an_alert_of_its_own() -> None:
    events = [look(0, "x", action="break_glass.opened"), look(1, "y", action="break_glass.opened")]
    events.append(look(2, "y", action="break_glass.closed", who=IVAN))  # an admin ends it: no visit of Ivan's
    assert [item.rule for item in found(events)] == [Rule.BREAK_GLASS, Rule.BREAK_GLASS]
    assert found(events, Thresholds(watch_break_glass=False)) == []


def test_failed_signins_are_counted_for_each_account_from_all_callers() -> None:
    events = [look(number, "", action="signin.failed", who=VERA) for number in range(12)]
    (finding,) = found(events)
    assert (finding.rule, finding.person_id) == (Rule.FAILED_SIGNINS, VERA)
    assert (
        found([look(number, "", action="signin.failed", who=UUID(int=number)) for number in range(12)]) == []
    )


def test_a_burst_of_exports_is_noticed() -> None:
    events = [look(number, "", action="audit.exported") for number in range(6)]
    (finding,) = found(events)
    assert (finding.rule, finding.count) == (Rule.EXPORTS, 6)
    assert found(events[:5]) == []
