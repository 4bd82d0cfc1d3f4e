"""The evaluator: which rule wins, what a hold does, and on which midnight something is due."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.retention.evaluator import (
    HoldFact,
    Item,
    PolicyFacts,
    RuleFact,
    Verdict,
    Why,
    due_at,
    evaluate,
)

ROOMS = (UUID(int=1), UUID(int=2))
TYPES = (UUID(int=3), UUID(int=4))
ENDED = datetime(2026, 3, 27, 17, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from([BERLIN, ZoneInfo("America/Los_Angeles"), ZoneInfo("Pacific/Apia"), ZoneInfo("UTC")])
DATES = st.integers(0, 730 * 86_400).map(
    lambda late_s: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=late_s)
)
LIMITED = st.integers(1, 3650)


@st.composite
def rules(draw: st.DrawFn) -> RuleFact:
    adults_only = draw(st.booleans())
    return RuleFact(
        id=draw(st.uuids()),
        days=draw(st.none() | LIMITED) if adults_only else draw(LIMITED),
        room_id=draw(st.none() | st.sampled_from(ROOMS)),
        class_type_id=draw(st.none() | st.sampled_from(TYPES)),
        adults_only=adults_only,
    )


POLICIES = st.builds(
    PolicyFacts,
    confirmed=st.just(True),
    adults_days=st.none() | LIMITED,
    minors_days=LIMITED,
    rules=st.lists(rules(), max_size=6).map(tuple),
)
ITEMS = st.builds(
    Item,
    id=st.uuids(),
    class_id=st.uuids(),
    room_id=st.sampled_from(ROOMS),
    ended_at=DATES,
    minors=st.booleans(),
    class_type_id=st.none() | st.sampled_from(TYPES),
)


def _item(**changes: object) -> Item:
    class_id = uuid4()
    values = {"id": class_id, "class_id": class_id, "room_id": ROOMS[0], "ended_at": ENDED, "minors": True}
    return Item(**values | changes)  # type: ignore[arg-type]


def _one(policy: PolicyFacts, item: Item, now: datetime = ENDED, zone: ZoneInfo = BERLIN) -> Verdict:
    (verdict,) = evaluate(policy, [item], now=now, zone=zone)
    return verdict


def test_a_day_is_one_of_the_wall_clock_across_the_change_to_summer_time() -> None:
    assert due_at(ENDED, 7, BERLIN).isoformat() == "2026-04-04T00:00:00+02:00"
    assert due_at(datetime(2026, 3, 27, 23, 30, tzinfo=UTC), 7, BERLIN).date().isoformat() == "2026-04-05"


@given(DATES, LIMITED, ZONES)
def test_nothing_is_due_before_its_days_are_over_and_nothing_a_day_late(
    ended: datetime, days: int, zone: ZoneInfo
) -> None:
    kept = due_at(ended, days, zone).astimezone(UTC) - ended
    # A change of the clock is an hour; Apia has moved by a whole day, though not in these years.
    assert timedelta(days=days) - timedelta(hours=1) <= kept <= timedelta(days=days + 1, hours=1)


@given(POLICIES, ITEMS, DATES, ZONES)
def test_footage_of_minors_always_has_an_end_and_the_shortest_rule_wins(
    policy: PolicyFacts, item: Item, now: datetime, zone: ZoneInfo
) -> None:
    verdict = _one(policy, item, now, zone)
    if item.minors:
        applied = [
            rule.days
            for rule in policy.rules
            if rule.room_id in (None, item.room_id)
            and rule.class_type_id in (None, item.class_type_id)
            and not rule.adults_only
        ]
        assert verdict.days == min((days for days in applied if days), default=policy.minors_days)
        assert verdict.due_at is not None
    assert verdict.is_due == (verdict.due_at is not None and verdict.due_at <= now)


@given(POLICIES, ITEMS, DATES, st.none() | DATES, st.booleans())
def test_nothing_that_is_held_is_due(
    policy: PolicyFacts, item: Item, now: datetime, end: datetime | None, whole_studio: bool
) -> None:
    hold = HoldFact(uuid4(), None if whole_studio else item.class_id, end)
    other = HoldFact(uuid4(), uuid4(), None)
    held = PolicyFacts(True, policy.adults_days, policy.minors_days, policy.rules, (other, hold))
    verdict = _one(held, item, now)
    if end is None or end > now:
        assert (verdict.why, verdict.hold_id) == (Why.HELD, hold.id)
        assert end is None or verdict.due_at is None or verdict.due_at >= end
    else:
        assert verdict == _one(policy, item, now)


@given(POLICIES, st.lists(ITEMS, max_size=5), DATES)
def test_without_a_confirmed_policy_nothing_is_due(
    policy: PolicyFacts, items: list[Item], now: datetime
) -> None:
    undecided = PolicyFacts(False, policy.adults_days, policy.minors_days, policy.rules)
    assert {one.why for one in evaluate(undecided, items, now=now, zone=BERLIN)} <= {Why.UNDECIDED}


@pytest.mark.parametrize(
    ("rules", "days"),
    [
        ([], 90),
        ([(30, None, None)], 30),
        ([(30, None, None), (60, ROOMS[0], None)], 60),
        ([(30, None, None), (60, ROOMS[1], None)], 30),
        ([(30, ROOMS[0], None), (60, None, TYPES[0])], 60),
        ([(30, ROOMS[0], None), (60, None, TYPES[0]), (10, ROOMS[0], TYPES[0])], 10),
    ],
)
def test_the_narrowest_rule_wins_for_adults(
    rules: list[tuple[int, UUID | None, UUID | None]], days: int
) -> None:
    facts = tuple(RuleFact(uuid4(), n, room_id=room, class_type_id=kind) for n, room, kind in rules)
    policy = PolicyFacts(True, adults_days=90, rules=facts)
    assert _one(policy, _item(minors=False, class_type_id=TYPES[0])).days == days


def test_the_shortest_rule_wins_for_minors() -> None:
    facts = (RuleFact(uuid4(), 30), RuleFact(uuid4(), 60, room_id=ROOMS[0]))
    assert _one(PolicyFacts(True, rules=facts), _item()).days == 30


def test_a_rule_without_end_for_adults_does_not_touch_minors() -> None:
    policy = PolicyFacts(True, adults_days=30, rules=(RuleFact(uuid4(), None, adults_only=True),))
    late = ENDED + timedelta(days=4000)
    assert _one(policy, _item(minors=False), late).why is Why.UNLIMITED
    assert _one(policy, _item(), late).is_due


def test_a_class_that_is_being_recorded_is_never_due() -> None:
    assert _one(PolicyFacts(True), _item(ended_at=None), ENDED + timedelta(days=400)).why is Why.UNFINISHED
