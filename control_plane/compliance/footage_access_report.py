"""Report on footage access: who opened a class with a certain dancer, when, for how long and with which permission."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from control_plane.access import access
from control_plane.audit.events import AuditEvent, described
from control_plane.audit.models import Entry
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.csv_lines import csv_line
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.compliance.audit_events import REPORT_READ
from control_plane.compliance.name_lookup import NameLookup, keys_in
from control_plane.people.models import Dancer, Guardianship
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.recordings.models import Appearance, ClassSession, Replay
from control_plane.tenancy.models import Membership

MAX_ROWS = 2000
_VIEW_EVENTS = [event.code for event in AuditEvent.all() if event.shows_footage]
"""Selected by code: most events of a class are its uploads, one every few seconds."""
_RIGHTS = {
    "role": "by role",
    "own_dancer": "own dancer",
    "grant": "a permission on this class",
    "break_glass": "break-glass access of support staff",
    "machine": "the system itself",
}


@dataclass(frozen=True, slots=True)
class FootageAccess:
    """One access. `lasted` None: unknown, or just a page. `confirmed`: whether the class's roster is confirmed."""

    at: datetime
    who: str
    role: str
    did: str
    class_id: UUID
    class_title: str
    lasted: timedelta | None
    right: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class FootageAccessReport:
    """All accesses to footage of one dancer, newest first. `more`: older ones are left out of `rows`."""

    dancer: Dancer
    rows: list[FootageAccess]
    classes: int
    unconfirmed: int
    more: bool


def report_footage_access(dancer: Dancer, *, reader: Actor) -> FootageAccessReport:
    """Returns who has seen a dancer, and writes an audit event about the report.

    People who answer for a dancer may read the dancer's report without further permissions; staff need the permission to
    read the audit log. Families do not learn the names of other families.

    Raises:
        NotFound, Forbidden: `reader` may not see this dancer.
    """
    with studio_scope(dancer.studio_id):
        is_family = _require(reader, dancer)
        record_for(REPORT_READ, dancer, actor=reader)
        found_in = Appearance.objects.filter(dancer=dancer).select_related("class_session")
        if is_family:
            # An unconfirmed roster does not say that the dancer was in the class.
            found_in = found_in.filter(confirmed_at__isnull=False)
        appearances = {row.class_session_id: row for row in found_in}
        ids = [str(id_) for id_ in appearances]
        found = Entry.objects.filter(
            object_id__in=ids, object_type="recordings.ClassSession", action__in=_VIEW_EVENTS
        )
        looks = list(found.order_by("-occurred_at", "-sequence")[: MAX_ROWS + 1])
        rows = _rows(looks[:MAX_ROWS], appearances, dancer, reader, is_family=is_family)
        return FootageAccessReport(
            dancer=dancer,
            rows=rows,
            classes=len(appearances),
            unconfirmed=sum(row.confirmed_at is None for row in appearances.values()),
            more=len(looks) > MAX_ROWS,
        )


def own_dancers(reader: Actor) -> list[Dancer]:
    """Returns the dancers of the studio in scope that `reader` answers for."""
    ties = Guardianship.objects.filter(user_id=reader.id, ended_at__isnull=True)
    return [tie.dancer for tie in ties.select_related("dancer").order_by("dancer__name")]


def _require(reader: Actor, dancer: Dancer) -> bool:
    """Returns whether `reader` belongs to the dancer's family; staff need the permission to read the audit log.

    Raises:
        NotFound, Forbidden: neither.
    """
    is_member = access.role_of(reader, dancer.studio_id) is not None
    own = Guardianship.objects.filter(dancer=dancer, user_id=reader.id, ended_at__isnull=True)
    if access.can(reader, VIEW_AUDIT, dancer):
        return False
    if is_member and own.exists():
        return True
    access.require(reader, VIEW_DANCERS, dancer)
    access.require(reader, VIEW_AUDIT, dancer)
    return False


def _rows(
    looks: list[Entry],
    appearances: dict[UUID, Appearance],
    dancer: Dancer,
    reader: Actor,
    *,
    is_family: bool,
) -> list[FootageAccess]:
    # Staff see the name of an API key; a family sees only the person behind it.
    keys = [] if is_family else [key for entry in looks for key in keys_in(entry)]
    names = NameLookup(reader, [entry.actor_id for entry in looks], [], keys=keys)
    people = {entry.actor_id for entry in looks if entry.actor_kind == ActorKind.USER}
    roles = dict(Membership.objects.filter(user_id__in=people).values_list("user_id", "role"))
    ends = dict(
        Replay.objects.filter(pk__in=_replays(looks)).values_list("id", "seen_at"),
    )
    hidden = _hidden_families(people, roles, dancer, reader) if is_family else set()
    rows = []
    for entry in looks:
        appearance = appearances[UUID(entry.object_id)]
        class_session: ClassSession = appearance.class_session
        role = Role(roles[entry.actor_id]).label if entry.actor_id in roles else "no longer a member"
        seen_at = ends.get(_replay_of(entry))
        no_job = is_family and entry.actor_kind == ActorKind.USER
        named = names.actor(entry.actor_kind, entry.actor_id, "" if no_job else entry.actor_job)
        rows.append(
            FootageAccess(
                at=entry.occurred_at,
                who="a family of another dancer" if entry.actor_id in hidden else named,
                role=role if entry.actor_kind == ActorKind.USER else "",
                did=described(entry.action).footage_access,
                class_id=class_session.id,
                class_title=class_session.title,
                lasted=max(seen_at - entry.occurred_at, timedelta(0)) if seen_at else None,
                right=_RIGHTS.get(str(entry.details.get("right", "")), "not recorded"),
                confirmed=appearance.confirmed_at is not None,
            )
        )
    return rows


def _replays(looks: Iterable[Entry]) -> list[UUID]:
    return [id_ for id_ in map(_replay_of, looks) if id_ is not None]


def _replay_of(entry: Entry) -> UUID | None:
    try:
        return UUID(str(entry.details.get("replay", "")))
    except ValueError:
        return None


def _hidden_families(
    people: set[UUID | None], roles: dict[UUID, str], dancer: Dancer, reader: Actor
) -> set[UUID | None]:
    """Returns the people whose names a family must not learn: other families."""
    own = set(
        Guardianship.objects.filter(dancer=dancer, ended_at__isnull=True).values_list("user_id", flat=True)
    )
    staff = {person for person, role in roles.items() if role in (Role.ADMIN, Role.INSTRUCTOR)}
    return {person for person in people if person not in staff | own | {reader.id}}


def as_csv(report: FootageAccessReport) -> str:
    """Returns the report as CSV."""
    lines = [csv_line(["at (UTC)", "who", "role", "did", "class", "seconds", "right", "roster confirmed"])]
    for row in report.rows:
        seconds = None if row.lasted is None else round(row.lasted.total_seconds())
        cells = [f"{row.at:%Y-%m-%d %H:%M:%S}", row.who, row.role, row.did, row.class_title]
        lines.append(csv_line([*cells, seconds, row.right, "yes" if row.confirmed else "no"]))
    return "".join(lines)
