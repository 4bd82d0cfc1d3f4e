"""Whether footage may leave the studio now: asked at each act, never only when a link or an export is made.

A share link asks with each playlist, key and range of bytes, an export before each fragment. `require_egress` needs the
permission of the kind (`SHARE`, `EXPORT`) and then that nothing of `blockers` stands in the way. Inside `studio_scope` only.
"""

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.errors import Forbidden
from control_plane.common.permissions import StudioPermission
from control_plane.common.scoping import current_studio_id
from control_plane.people.consent_models import ConsentPurpose
from control_plane.people.consent_selectors import missing_consents, protected_dancers
from control_plane.people.models import Dancer
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import EXPORT, SHARE
from control_plane.recordings.presence import dancers_in, roster_is_confirmed
from control_plane.sharing.models import EgressPolicy, EgressUse
from control_plane.tenancy.models import Studio
from shared.protocol.ids import new_id

GIGABYTE = 10**9
_MOST_NAMES = 20
"""Dancers that one text names; the rest are counted."""


class EgressKind(StrEnum):
    """How footage leaves the studio."""

    SHARE = "share"
    EXPORT = "export"


PERMISSIONS: dict[EgressKind, StudioPermission] = {EgressKind.SHARE: SHARE, EgressKind.EXPORT: EXPORT}
PURPOSES = {EgressKind.SHARE: ConsentPurpose.SHARE, EgressKind.EXPORT: ConsentPurpose.EXPORT}


class BlockerCode(StrEnum):
    """Kinds of blockers."""

    DESTROYED = "destroyed"
    ROSTER = "roster_not_confirmed"
    PROTECTED = "protected_dancer"
    CONSENT = "consent_missing"
    SWITCHED_OFF = "switched_off"
    NETWORK = "network_not_allowed"
    AMOUNT = "daily_amount_used"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that stops footage from leaving.

    Attributes:
        dancer_ids: the dancers it is about; empty: none in particular.
        text: a sentence for people who may see dancers (`VIEW_DANCERS`): it may name them.
        plain: the same for everybody else in the studio, without names.
        way_out: what to do about it, without names.
    """

    code: BlockerCode
    text: str
    plain: str
    way_out: str
    dancer_ids: tuple[UUID, ...] = ()

    def text_for(self, *, may_know: bool) -> str:
        """Returns the sentence for a person who may, or may not, see dancers."""
        return self.text if may_know else self.plain


@dataclass(frozen=True, slots=True)
class EgressRequest:
    """Facts of one act.

    Attributes:
        address: where the bytes go; empty: nowhere yet, as when a link is made. Then the networks are not checked.
        size_bytes: how much would leave now.
    """

    address: str = ""
    size_bytes: int = 0


NOTHING_YET = EgressRequest()
"""For a question before any byte leaves: on a page, or when a link is made."""


class EgressRefused(Forbidden):
    """Footage may not leave. The detail names nobody; `blockers` is for people who may know."""

    def __init__(self, blockers: Collection[Blocker]) -> None:
        super().__init__(" ".join(f"{item.plain} {item.way_out}" for item in blockers))
        self.blockers = tuple(blockers)


def egress_policy() -> EgressPolicy:
    """Returns the rules of the studio in scope; an unsaved row with the defaults if it has none."""
    return EgressPolicy.objects.first() or EgressPolicy(studio_id=current_studio_id())


def blockers(
    class_session: ClassSession, kind: EgressKind, now: datetime, request: EgressRequest = NOTHING_YET
) -> list[Blocker]:
    """Returns all that stops footage of a class from leaving now; empty: it may leave.

    Reads everything anew: a caller may hold a row of the class from before a change.

    Args:
        now: the time of the act.
    """
    current = ClassSession.objects.filter(pk=class_session.pk).first()
    if current is None or not current.wrapped_key:
        gone = _("The recording of this class was destroyed or has expired.")
        return [Blocker(BlockerCode.DESTROYED, gone, gone, _("It cannot be restored."))]
    return [*_of_people(current, kind, now), *_of_policy(egress_policy(), kind, now, request)]


def require_egress(
    actor: Actor, class_session: ClassSession, kind: EgressKind, request: EgressRequest
) -> access.Authorization:
    """Returns the authorization to let footage of a class leave, valid in the open transaction. Call it at each act.

    Args:
        actor: the person who shares or exports; for a link the person who made it, whose permission may have ended since.

    Raises:
        NotFound, Forbidden: `actor` may not share, or export, this class.
        EgressRefused: something else stops it.
    """
    authorization = access.require(actor, PERMISSIONS[kind], class_session)
    if found := blockers(class_session, kind, timezone.now(), request):
        raise EgressRefused(found)
    return authorization


def may_know(actor: Actor, class_session: ClassSession) -> bool:
    """Returns whether `actor` may read which dancers stop this class from leaving (`Blocker.text`)."""
    return access.can(actor, VIEW_DANCERS, class_session)


def count_egress(source_id: UUID, size_bytes: int, now: datetime) -> None:
    """Counts bytes that leave because of one view or export; call it in the transaction of the act."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {EgressUse._meta.db_table} AS this (id, created_at, studio_id, day, source_id, size_bytes)"  # noqa: S608  # a table of ours
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (studio_id, day, source_id)"
            " DO UPDATE SET size_bytes = this.size_bytes + EXCLUDED.size_bytes",
            [new_id(), now, current_studio_id(), _studio_day(now), source_id, size_bytes],
        )


def bytes_left_today(policy: EgressPolicy, now: datetime) -> int | None:
    """Returns how many bytes may still leave on the studio's day; None: no limit."""
    if policy.gb_per_day is None:
        return None
    used = EgressUse.objects.filter(day=_studio_day(now)).aggregate(sum=Sum("size_bytes"))["sum"] or 0
    return max(0, policy.gb_per_day * GIGABYTE - int(used))


def _of_people(class_session: ClassSession, kind: EgressKind, now: datetime) -> Iterator[Blocker]:
    if not roster_is_confirmed(class_session):
        text = _("Nobody has confirmed who was in this class.")
        yield Blocker(BlockerCode.ROSTER, text, text, _("Confirm the roster of the class."))
    dancer_ids = dancers_in(class_session)
    if guarded := protected_dancers(dancer_ids):
        yield _blocker(
            BlockerCode.PROTECTED,
            guarded,
            _("Protected, so nothing that shows them leaves the studio: %(names)s."),
            _("A protected dancer takes part in this class, and nothing that shows them leaves the studio."),
            _("Correct the roster if they were not there."),
        )
    if missing := {item.dancer_id for item in missing_consents(dancer_ids, PURPOSES[kind], now)}:
        wanted = (
            (_("No consent to sharing: %(names)s."), _("The consent to sharing of a dancer is missing."))
            if kind is EgressKind.SHARE
            else (
                _("No consent to downloads: %(names)s."),
                _("The consent to downloads of a dancer is missing."),
            )
        )
        yield _blocker(
            BlockerCode.CONSENT,
            missing,
            *wanted,
            _("Ask for the consent, or correct the roster if they were not there."),
        )


def _blocker(code: BlockerCode, dancer_ids: Collection[UUID], text: str, plain: str, way_out: str) -> Blocker:
    names = list(
        Dancer.objects.filter(pk__in=dancer_ids).order_by("name", "id").values_list("name", flat=True)
    )
    return Blocker(code, text % {"names": _listed(names)}, plain, way_out, tuple(sorted(dancer_ids)))


def _of_policy(
    policy: EgressPolicy, kind: EgressKind, now: datetime, request: EgressRequest
) -> Iterator[Blocker]:
    if not (policy.share_enabled if kind is EgressKind.SHARE else policy.export_enabled):
        off = _("The studio has switched this off.")
        yield Blocker(BlockerCode.SWITCHED_OFF, off, off, _("An admin can allow it in the settings."))
    if request.address and not _is_allowed(request.address, policy.networks):
        text = _("The studio does not let footage leave to this network.")
        yield Blocker(
            BlockerCode.NETWORK, text, text, _("Use an allowed network, or ask an admin to add this one.")
        )
    left = bytes_left_today(policy, now)
    # Also when nothing is about to leave: a link that could not play today is better not made.
    if left is not None and (not left or request.size_bytes > left):
        text = _("The studio's daily amount of footage has left already.")
        yield Blocker(BlockerCode.AMOUNT, text, text, _("Try again tomorrow, or ask an admin to raise it."))


def _is_allowed(address: str, networks: Collection[str]) -> bool:
    if not networks:
        return True
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    known = getattr(known, "ipv4_mapped", None) or known
    return any(known in ipaddress.ip_network(network) for network in networks)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (_(" and %(count)d more") % {"count": more} if more > 0 else "")


def _studio_day(now: datetime) -> date:
    zone = Studio.objects.values_list("time_zone", flat=True).get(pk=current_studio_id())
    return now.astimezone(ZoneInfo(zone)).date()
