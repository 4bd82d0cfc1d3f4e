"""Decides from rules, holds and facts what is kept, what is deleted and when, each with its reason. Pure.

A day is a day of the wall clock in the studio's zone. "Keep N days" ends at the midnight after the Nth day that follows
the day of the class, so nothing is deleted before N times 24 hours have passed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum
from uuid import UUID

DEFAULT_MINORS_DAYS = 7
FOOTAGE, CLIPS = "footage", "clips"


class Why(StrEnum):
    """Why an item is kept, or why it is due."""

    UNDECIDED = "undecided"
    """Nobody has confirmed a policy."""
    UNFINISHED = "unfinished"
    """It is still being recorded."""
    HELD = "held"
    UNLIMITED = "unlimited"
    NOT_YET = "not_yet"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class RuleFact:
    """A rule. `days` None: keep without end, for adults only. `room_id`, `class_type_id` None: any.

    `adults_only`: it does not apply where minors may appear.
    """

    id: UUID
    days: int | None
    kind: str = FOOTAGE
    room_id: UUID | None = None
    class_type_id: UUID | None = None
    adults_only: bool = False

    @property
    def scope(self) -> tuple[object, ...]:
        """A new rule replaces the one of the same scope."""
        return (self.kind, self.room_id, self.class_type_id, self.adults_only)

    @property
    def specificity(self) -> tuple[bool, bool]:
        """How narrow it is: a class type is narrower than a room."""
        return (self.class_type_id is not None, self.room_id is not None)


@dataclass(frozen=True, slots=True)
class HoldFact:
    """A hold that was not lifted. `class_id` None: of the whole studio. `ends_at` None: until it is lifted."""

    id: UUID
    class_id: UUID | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """The decisions of a studio. `adults_days` None: without end. `confirmed` False: nothing is deleted by date."""

    confirmed: bool
    adults_days: int | None = None
    minors_days: int = DEFAULT_MINORS_DAYS
    rules: tuple[RuleFact, ...] = ()
    holds: tuple[HoldFact, ...] = ()

    def with_rule(self, new: RuleFact) -> "PolicyFacts":
        """Returns these decisions with a rule more; it replaces the one of the same scope."""
        others = [one for one in self.rules if one.scope != new.scope]
        return replace(self, rules=(*others, new))


@dataclass(frozen=True, slots=True)
class Item:
    """One thing with a date of its own. `ended_at` None: it is still being made. `minors`: minors appear, or may.

    `kept_until`: the date that its maker chose, as for a clip; a rule may only end it earlier. None: rules alone decide.
    """

    id: UUID
    class_id: UUID
    room_id: UUID
    ended_at: datetime | None
    minors: bool
    kind: str = FOOTAGE
    class_type_id: UUID | None = None
    size_bytes: int = 0
    kept_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of an item and its reason. `due_at` None: no date. `rule_id` None: the studio's default decides."""

    item: Item
    why: Why
    due_at: datetime | None = None
    days: int | None = None
    rule_id: UUID | None = None
    hold_id: UUID | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is to be deleted now."""
        return self.why is Why.DUE


def evaluate(policy: PolicyFacts, items: Iterable[Item], *, now: datetime, zone: tzinfo) -> Iterator[Verdict]:
    """Yields the verdict on each item, in the order given.

    Args:
        now: aware.
        zone: the studio's.
    """
    by_class: dict[UUID | None, list[HoldFact]] = {}
    for hold in policy.holds:
        by_class.setdefault(hold.class_id, []).append(hold)
    of_studio = by_class.get(None, [])
    for item in items:
        yield _verdict(policy, item, [*of_studio, *by_class.get(item.class_id, [])], now, zone)


def due_at(ended_at: datetime, days: int, zone: tzinfo) -> datetime:
    """Returns the midnight in `zone` after which something that ended then has been kept for `days` days."""
    last_day = ended_at.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(last_day + timedelta(days=1), time.min, zone)


def _verdict(
    policy: PolicyFacts, item: Item, holds: Sequence[HoldFact], now: datetime, zone: tzinfo
) -> Verdict:
    if item.ended_at is None:
        return Verdict(item, Why.UNFINISHED)
    if not policy.confirmed and item.kept_until is None:
        return Verdict(item, Why.UNDECIDED)
    days, rule_id = _kept_days(policy, item)
    dates = [item.kept_until, None if days is None else due_at(item.ended_at, days, zone)]
    date = min((one for one in dates if one is not None), default=None)
    active = [hold for hold in holds if hold.ends_at is None or hold.ends_at > now]
    if active:
        longest = max(active, key=lambda hold: (hold.ends_at is None, hold.ends_at or now))
        if date is not None:
            date = None if longest.ends_at is None else max(date, longest.ends_at)
        return Verdict(item, Why.HELD, date, days, rule_id, longest.id)
    if date is None:
        return Verdict(item, Why.UNLIMITED, None, None, rule_id)
    return Verdict(item, Why.DUE if date <= now else Why.NOT_YET, date, days, rule_id)


def _kept_days(policy: PolicyFacts, item: Item) -> tuple[int | None, UUID | None]:
    """Returns how long an item is kept (None: without end) and the rule that says so (None: the default)."""
    found = [rule for rule in policy.rules if _applies(rule, item)]
    if item.kept_until is not None and not found:
        return None, None
    if item.minors:
        # Two rules that contradict must not keep children longer than either says.
        limited = [(rule.days, rule.id) for rule in found if rule.days is not None]
        return min(limited, default=(policy.minors_days, None), key=lambda one: one[0])
    if not found:
        return policy.adults_days, None
    narrowest = max(rule.specificity for rule in found)
    of_these = [rule for rule in found if rule.specificity == narrowest]
    # A rule for adults alone says more about them than one for everybody.
    chosen = max(of_these, key=lambda rule: rule.adults_only)
    return chosen.days, chosen.id


def _applies(rule: RuleFact, item: Item) -> bool:
    return (
        rule.kind == item.kind
        and rule.room_id in (None, item.room_id)
        and rule.class_type_id in (None, item.class_type_id)
        and not (rule.adults_only and item.minors)
    )
