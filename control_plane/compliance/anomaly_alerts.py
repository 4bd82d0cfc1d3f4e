"""Anomaly detection: checks new audit events, raises alerts, and mails them to the admins."""

import logging
import zoneinfo
from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.accounts.audit_events import SIGNIN_FAILED
from control_plane.audit.events import described
from control_plane.audit.models import Entry
from control_plane.audit.services import chain_scope, record_for
from control_plane.common import mail
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.common.roles import Role
from control_plane.common.saving import check
from control_plane.common.scoping import studio_scope
from control_plane.compliance.anomaly_rules import (
    RULE_LABELS,
    WINDOW,
    Anomaly,
    Event,
    ReadContext,
    Rule,
    Thresholds,
    find_anomalies,
)
from control_plane.compliance.audit_events import ALERT_ACKNOWLEDGED, ALERT_RAISED, WATCH_CHANGED
from control_plane.compliance.checkpointing import checkpoint_status
from control_plane.compliance.models import (
    Alert,
    AlertAcknowledgement,
    AlertNotice,
    AnomalyCursor,
    AnomalyThresholds,
    KnownNetwork,
)
from control_plane.people.models import Guardianship
from control_plane.recordings.models import Appearance, ClassSession
from control_plane.tenancy.models import Membership, Studio
from control_plane.tenancy.selectors import admin_addresses

log = logging.getLogger(__name__)

DETECTION = Actor.system("compliance.detect_anomalies")
MAX_ENTRIES = 5000
MAIL_INTERVAL = timedelta(minutes=15)
_EMPTY_CONTEXT = ReadContext(zone=zoneinfo.ZoneInfo("UTC"))
THRESHOLD_FIELDS = tuple(Thresholds.__dataclass_fields__)


def detect_anomalies(studio_id: UUID) -> int:
    """Checks the new audit events of a studio and raises alerts; returns how many. Call it in the studio's scope.

    The cursor moves in the same transaction, by at most `MAX_ENTRIES`; the next call checks the rest. Of two parallel
    calls the second waits for the cursor's row and finds nothing new.
    """
    AnomalyCursor.objects.bulk_create([AnomalyCursor(studio_id=studio_id)], ignore_conflicts=True)
    cursor = AnomalyCursor.objects.select_for_update().get()
    new = list(Entry.objects.filter(sequence__gt=cursor.sequence).order_by("sequence")[:MAX_ENTRIES])
    findings: list[Anomaly] = []
    if new:
        events = [_event(entry) for entry in (*_hour_before(new, cursor.sequence), *new)]
        context = _read_context(studio_id, events)
        findings = find_anomalies(
            events, after=cursor.sequence, thresholds=thresholds_of(studio_id), context=context
        )
        _learn_networks(studio_id, [event for event in events if event.sequence > cursor.sequence])
        cursor.sequence = new[-1].sequence
        cursor.save(update_fields=["sequence"])
    findings += find_anomalies(
        _failed_signins(), after=0, thresholds=thresholds_of(studio_id), context=_EMPTY_CONTEXT
    )
    raised = sum(_raise(studio_id, finding) for finding in findings)
    return raised + _raise_late_checkpoint(studio_id)


def thresholds_of(studio_id: UUID) -> Thresholds:
    """Returns the thresholds of the studio in scope; the defaults if it has not changed them."""
    row = AnomalyThresholds.objects.filter(studio_id=studio_id).first()
    return Thresholds(**{name: getattr(row, name) for name in THRESHOLD_FIELDS}) if row else Thresholds()


def change_thresholds(studio: Studio, thresholds: Thresholds, *, actor: Actor) -> None:
    """Changes the thresholds of a studio.

    Raises:
        BadRequest: a value is out of range; the message names it.
        NotFound, Forbidden: `actor` may not manage the studio's policy.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_POLICY, studio)
        before = thresholds_of(studio.id)
        row = AnomalyThresholds.objects.select_for_update().filter(
            studio=studio
        ).first() or AnomalyThresholds(studio=studio)
        for name in THRESHOLD_FIELDS:
            setattr(row, name, getattr(thresholds, name))
        check(row)
        changed = [name for name in THRESHOLD_FIELDS if getattr(before, name) != getattr(thresholds, name)]
        if not changed:
            return
        row.save()
        record_for(
            WATCH_CHANGED,
            studio,
            actor=actor,
            details={
                name: {"from": getattr(before, name), "to": getattr(thresholds, name)} for name in changed
            },
        )


def acknowledge(alert: Alert, *, note: str, actor: Actor) -> None:
    """Records that a person has looked into an alert.

    Raises:
        BadRequest: the note is longer than 500 characters.
        Conflict: somebody has done so already.
        NotFound, Forbidden: `actor` may not manage the studio's policy.
    """
    with studio_scope(alert.studio_id):
        access.require(actor, MANAGE_POLICY, alert)
        if actor.id is None:
            raise NotFound
        if len(note) > 500:
            raise BadRequest("note: at most 500 characters")
        try:
            with transaction.atomic():
                AlertAcknowledgement(
                    studio_id=alert.studio_id, alert=alert, acknowledged_by=actor.id, note=note.strip()
                ).save(force_insert=True)
        except IntegrityError as error:
            raise Conflict("Somebody has already looked into this alert.") from error
        record_for(ALERT_ACKNOWLEDGED, alert, actor=actor, details={"rule": alert.rule})


def mail_alerts(studio_id: UUID) -> int:
    """Mails the admins one message about all alerts that have not been mailed; returns the number of alerts.

    At most one mail per `MAIL_INTERVAL`; later alerts wait for the next. The mail contains no names.
    """
    with studio_scope(studio_id):
        if AlertNotice.objects.filter(created_at__gt=timezone.now() - MAIL_INTERVAL).exists():
            return 0
        studio = Studio.objects.get(pk=studio_id)
        waiting = list(Alert.objects.filter(notice__isnull=True).order_by("raised_at")[:200])
        addresses = admin_addresses()
        if not waiting or not addresses or not mail.has_server():
            return 0
        AlertNotice.objects.bulk_create(
            AlertNotice(studio_id=studio_id, alert=alert, recipients=len(addresses)) for alert in waiting
        )
        # Inside the transaction: if the mail server refuses, the notices roll back and the alerts are mailed later.
        mail.send(
            "compliance/mail/alerts",
            {
                "alerts": [
                    {"raised_at": alert.raised_at, "label": RULE_LABELS[alert.rule]} for alert in waiting
                ],
                "studio": studio.name,
                "page": f"{settings.PUBLIC_URL}{reverse('portal:alerts', args=[studio.slug])}",
            },
            bcc=addresses,
            time_zone=studio.time_zone,
        )
    return len(waiting)


def _hour_before(new: list[Entry], sequence: int) -> list[Entry]:
    people = {entry.actor_id for entry in new if entry.actor_id}
    since = min(entry.occurred_at for entry in new) - WINDOW
    found = Entry.objects.filter(occurred_at__gt=since, sequence__lte=sequence, actor_id__in=people)
    return list(found.order_by("-sequence")[:MAX_ENTRIES])


def _event(entry: Entry) -> Event:
    details: dict[str, Any] = entry.details
    person = entry.actor_id if entry.actor_kind == ActorKind.USER else None
    network = details.get("network")
    return Event(entry.sequence, entry.occurred_at, entry.action, person, entry.object_id, str(network or ""))


def _failed_signins() -> list[Event]:
    """Returns failed sign-ins of the last hour to accounts of members; they are on the platform's chain."""
    people = [str(id_) for id_ in Membership.objects.values_list("user_id", flat=True)]
    with chain_scope(None):
        found = Entry.objects.filter(
            action=SIGNIN_FAILED,
            occurred_at__gt=timezone.now() - WINDOW,
            # Filter here, not in Python: failed sign-ins to other accounts could fill the newest `MAX_ENTRIES`.
            object_id__in=people,
        ).order_by("-occurred_at", "-sequence")[:MAX_ENTRIES]
        rows = list(found.values_list("sequence", "occurred_at", "action", "object_id"))
    return [
        Event(sequence, at, action, UUID(object_id), object_id) for sequence, at, action, object_id in rows
    ]


def _read_context(studio_id: UUID, events: list[Event]) -> ReadContext:
    zone = Studio.objects.values_list("time_zone", flat=True).get(pk=studio_id)
    people = {event.person_id for event in events if event.person_id}
    networks: dict[UUID, set[str]] = defaultdict(set)
    rows = KnownNetwork.objects.filter(person_id__in=people).values_list("person_id", "network")
    for person_id, network in rows:
        networks[person_id].add(network)
    return ReadContext(
        zone=zoneinfo.ZoneInfo(zone),
        networks={person: frozenset(found) for person, found in networks.items()},
        foreign_classes=_foreign_classes(events, people),
    )


def _foreign_classes(events: list[Event], people: set[UUID]) -> frozenset[tuple[UUID, str]]:
    """Returns pairs of person and class whose confirmed roster has none of the dancers that the person answers for."""
    wards: dict[UUID, set[UUID]] = defaultdict(set)
    answers = Guardianship.objects.filter(user_id__in=people, ended_at__isnull=True)
    # Admins and instructors see all classes, whether they have children in the studio or not.
    staff = Membership.objects.filter(user_id__in=people, role__in=[Role.ADMIN, Role.INSTRUCTOR])
    for user_id, dancer_id in answers.exclude(user_id__in=staff.values("user_id")).values_list(
        "user_id", "dancer_id"
    ):
        wards[user_id].add(dancer_id)
    looked = {
        (event.person_id, event.object_id)
        for event in events
        if event.person_id is not None and event.person_id in wards and described(event.action).shows_footage
    }
    classes = ClassSession.objects.filter(
        pk__in={object_id for _, object_id in looked}, roster_confirmed_at__isnull=False
    ).values_list("id", flat=True)
    present: dict[str, set[UUID]] = {str(id_): set() for id_ in classes}
    rows = Appearance.objects.filter(class_session_id__in=classes).values_list(
        "class_session_id", "dancer_id"
    )
    for class_id, dancer_id in rows:
        present[str(class_id)].add(dancer_id)
    return frozenset(
        (person, class_id)
        for person, class_id in looked
        if class_id in present and not present[class_id] & wards[person]
    )


def _learn_networks(studio_id: UUID, events: list[Event]) -> None:
    seen = {(event.person_id, event.network) for event in events if event.person_id and event.network}
    KnownNetwork.objects.bulk_create(
        [
            KnownNetwork(studio_id=studio_id, person_id=person, network=network)
            for person, network in sorted(seen, key=str)
        ],
        ignore_conflicts=True,
    )


def _raise(studio_id: UUID, finding: Anomaly) -> bool:
    event = finding.event
    return _new_alert(
        Alert(
            studio_id=studio_id,
            rule=finding.rule.value,
            person_id=finding.person_id,
            occasion=finding.occasion,
            raised_at=event.at,
            sequence=event.sequence,
            facts={"count": finding.count, "object": event.object_id, "action": event.action},
        )
    )


def _raise_late_checkpoint(studio_id: UUID) -> bool:
    now, at = checkpoint_status(), timezone.now()
    if now.number == 0 or not (now.is_late or now.copy_is_late):
        return False
    return _new_alert(
        Alert(
            studio_id=studio_id,
            rule=Rule.CHECKPOINT_LATE.value,
            occasion=f"{Rule.CHECKPOINT_LATE}:{at:%Y-%m-%d}",
            raised_at=at,
            facts={"number": now.number},
        )
    )


def _new_alert(alert: Alert) -> bool:
    try:
        with transaction.atomic():
            alert.save(force_insert=True)
    except IntegrityError:
        return False
    record_for(ALERT_RAISED, alert, actor=DETECTION, details={"rule": alert.rule, "entry": alert.sequence})
    return True
