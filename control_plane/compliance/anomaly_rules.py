"""Rules for unusual reads. Pure: takes audit events and a studio's thresholds, returns anomalies.

Each anomaly has an `occasion` that does not change however often the same events are checked. It also bounds their
number: one per person and hour, night, or network.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from control_plane.access.audit_events import BREAK_GLASS_OPENED
from control_plane.accounts.audit_events import SIGNIN_FAILED
from control_plane.audit.events import described

WINDOW = timedelta(hours=1)


class Rule(StrEnum):
    """Kinds of anomalies."""

    MANY_CLASSES = "many_classes"
    NIGHT = "night"
    NEW_NETWORK = "new_network"
    OTHER_FAMILY = "other_family"
    BREAK_GLASS = "break_glass"
    FAILED_SIGNINS = "failed_signins"
    EXPORTS = "exports"
    CHECKPOINT_LATE = "checkpoint_late"


RULE_LABELS: dict[str, str] = {
    Rule.MANY_CLASSES: "Many classes opened within an hour",
    Rule.NIGHT: "Footage opened at night",
    Rule.NEW_NETWORK: "First read from a new network",
    Rule.OTHER_FAMILY: "A family opened a class without its dancers",
    Rule.BREAK_GLASS: "Support staff opened the studio",
    Rule.FAILED_SIGNINS: "Many failed sign-ins",
    Rule.EXPORTS: "Many exports within an hour",
    Rule.CHECKPOINT_LATE: "Checkpoints of the audit log are late",
}


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Thresholds from which something is an anomaly; see `models.AnomalyThresholds`. 0 turns a rule off."""

    classes_per_hour: int = 12
    night_from_hour: int = 22
    night_to_hour: int = 6
    watch_nights: bool = True
    watch_networks: bool = True
    watch_other_families: bool = True
    watch_break_glass: bool = True
    failed_signins_per_hour: int = 10
    exports_per_hour: int = 5


@dataclass(frozen=True)
class Event:
    """The fields of an audit event that the rules read. `person_id` is None for agents and jobs."""

    sequence: int
    at: datetime
    action: str
    person_id: UUID | None
    object_id: str
    network: str = ""


@dataclass(frozen=True)
class ReadContext:
    """Context that audit events do not contain.

    `networks`: networks that each person has read from before. `foreign_classes`: pairs of person and class, where the
    person answers for dancers of the studio, but for none in the class.
    """

    zone: ZoneInfo
    networks: dict[UUID, frozenset[str]] = field(default_factory=dict)
    foreign_classes: frozenset[tuple[UUID, str]] = frozenset()


@dataclass(frozen=True)
class Anomaly:
    """One anomaly. `count`: the number of events that the rule counted."""

    rule: Rule
    occasion: str
    event: Event
    count: int = 0

    @property
    def person_id(self) -> UUID | None:
        """The person it is about: the reader, or the owner of the account."""
        return self.event.person_id


def find_anomalies(
    events: Sequence[Event], *, after: int, thresholds: Thresholds, context: ReadContext
) -> list[Anomaly]:
    """Returns the anomalies among events beyond sequence `after`, one per occasion.

    Args:
        events: also contains the hour before `after`, which counts towards the rates.
    """
    ordered = sorted(events, key=lambda event: (event.at, event.sequence))
    found: dict[str, Anomaly] = {}
    for finding in (
        *_counted(ordered, thresholds.classes_per_hour, Rule.MANY_CLASSES, _person, _opened_class),
        *_counted(ordered, thresholds.exports_per_hour, Rule.EXPORTS, _person, _exported),
        *_counted(ordered, thresholds.failed_signins_per_hour, Rule.FAILED_SIGNINS, _account, _failed),
        *_at_night(ordered, thresholds, context.zone),
        *_from_new_networks(ordered, thresholds, context),
        *_of_other_families(ordered, thresholds, context),
        *_break_glass(ordered, thresholds),
    ):
        if finding.event.sequence > after:
            found.setdefault(finding.occasion, finding)
    return list(found.values())


def _counted(
    events: Iterable[Event],
    limit: int,
    rule: Rule,
    who: Callable[[Event], str],
    what: Callable[[Event], str],
) -> Iterator[Anomaly]:
    """Yields when one `who` has more than `limit` different `what` within `WINDOW`; ignores empty texts."""
    if not limit:
        return
    windows: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for event in events:
        key, thing = who(event), what(event)
        if not key or not thing:
            continue
        window = windows[key]
        window.append((event.at, thing))
        while window[0][0] <= event.at - WINDOW:
            window.pop(0)
        count = len({item for _, item in window})
        if count > limit:
            yield Anomaly(rule, f"{rule}:{key}:{event.at.astimezone(UTC):%Y-%m-%dT%H}", event, count)


def _person(event: Event) -> str:
    return str(event.person_id or "")


def _account(event: Event) -> str:
    return str(event.person_id or event.object_id)


def _opened_class(event: Event) -> str:
    return event.object_id if described(event.action).shows_footage else ""


def _exported(event: Event) -> str:
    return str(event.sequence) if described(event.action).takes_data_out else ""


def _failed(event: Event) -> str:
    return str(event.sequence) if event.action == SIGNIN_FAILED else ""


def _at_night(events: Iterable[Event], thresholds: Thresholds, zone: ZoneInfo) -> Iterator[Anomaly]:
    begins, ends = thresholds.night_from_hour, thresholds.night_to_hour
    if not thresholds.watch_nights or begins == ends:
        return
    for event in events:
        if not described(event.action).shows_footage or event.person_id is None:
            continue
        local = event.at.astimezone(zone)
        over_midnight = begins > ends
        late = local.hour >= begins
        early = local.hour < ends
        if (late or early) if over_midnight else (late and early):
            # The hours after midnight belong to the night that began on the day before.
            night = (local - timedelta(days=1) if over_midnight and early else local).date()
            yield Anomaly(Rule.NIGHT, f"{Rule.NIGHT}:{event.person_id}:{night}", event)


def _from_new_networks(
    events: Iterable[Event], thresholds: Thresholds, context: ReadContext
) -> Iterator[Anomaly]:
    known = {person: set(networks) for person, networks in context.networks.items()}
    for event in events:
        if event.person_id is None or not event.network or not described(event.action).is_read:
            continue
        mine = known.setdefault(event.person_id, set())
        # A person's very first network is not an anomaly.
        if thresholds.watch_networks and mine and event.network not in mine:
            yield Anomaly(
                Rule.NEW_NETWORK, f"{Rule.NEW_NETWORK}:{event.person_id}:{event.network}", event, len(mine)
            )
        mine.add(event.network)


def _of_other_families(
    events: Iterable[Event], thresholds: Thresholds, context: ReadContext
) -> Iterator[Anomaly]:
    if not thresholds.watch_other_families:
        return
    for event in events:
        if event.person_id is None or not described(event.action).shows_footage:
            continue
        if (event.person_id, event.object_id) in context.foreign_classes:
            yield Anomaly(
                Rule.OTHER_FAMILY, f"{Rule.OTHER_FAMILY}:{event.person_id}:{event.object_id}", event
            )


def _break_glass(events: Iterable[Event], thresholds: Thresholds) -> Iterator[Anomaly]:
    if not thresholds.watch_break_glass:
        return
    for event in events:
        if event.action == BREAK_GLASS_OPENED:
            yield Anomaly(Rule.BREAK_GLASS, f"{Rule.BREAK_GLASS}:{event.sequence}", event)
