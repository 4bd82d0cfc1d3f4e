"""Opening a share link, and whether an opened one may go on. No account: the secret, and then a cookie, are all there is.

Everything that is wrong with a link has one answer, `LinkGone`: a stranger cannot tell an unknown link from an expired, a
revoked or a stopped one. The holder of the secret learns besides whether a PIN is needed, and of wrong tries.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.contrib.auth.hashers import check_password
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.client_network import network_hash, network_of
from control_plane.common.errors import Forbidden, NotFound, TooManyRequests
from control_plane.common.scoping import capability_scope, studio_scope
from control_plane.keys.vault import Purpose
from control_plane.recordings.models import ClassSession
from control_plane.recordings.part import Part
from control_plane.recordings.permissions import SHARE
from control_plane.sharing.audit_events import SHARE_LINK_CLOSED, SHARE_LINK_OPENED
from control_plane.sharing.egress import EgressKind, EgressRequest, egress_policy, require_egress
from control_plane.sharing.links import encode_secret, needs_pin
from control_plane.sharing.models import MOST_PIN_FAILURES, PinFailures, ShareLink, ShareView

SHARE_KEYS = Purpose("share", SHARE, frozenset({SHARE_LINK_OPENED}), audited_before=True)
VIEW_LIFETIME = timedelta(minutes=15)
RENEW_EVERY = timedelta(minutes=1)
HOUR = timedelta(hours=1)
PIN_TRIES = 5
PIN_LOCK = timedelta(minutes=15)
OPENINGS_AN_HOUR = 300
"""Of one link. A link without a limit of views can be opened again and again by anybody who has it: each leaves a row."""
"""After `PIN_TRIES` wrong PINs from one network, it waits this long."""
JOB = "sharing.link"


class LinkGone(NotFound):
    """The link cannot be used: unknown, expired, revoked, used up, stopped, or the secret is wrong."""

    def __init__(self) -> None:
        super().__init__("This link does not work. It may have expired, or the studio has withdrawn it.")


class PinNeeded(Forbidden):
    """The secret is right, and the link needs a PIN; `is_wrong`: the one given is not it."""

    def __init__(self, *, is_wrong: bool) -> None:
        super().__init__("This PIN is not right." if is_wrong else "This link needs its PIN.")
        self.is_wrong = is_wrong


@dataclass(frozen=True, slots=True)
class Opened:
    """A view that has just begun. `token` is for the cookie, and known only now."""

    link: ShareLink
    token: str


@dataclass(frozen=True, slots=True)
class Playing:
    """A view that may go on now, in the open transaction."""

    link: ShareLink
    view: ShareView
    class_session: ClassSession
    authorization: access.Authorization

    @property
    def part(self) -> Part:
        """The part of the class that the link shows."""
        return Part(frozenset(self.link.track_ids), self.link.from_at, self.link.to_at)


def studio_of_link(public_id: str) -> UUID:
    """Returns the studio of a link.

    Raises:
        LinkGone: there is no such link.
    """
    with capability_scope("share_public_id", public_id):
        found = ShareLink.reachable.filter(public_id=public_id).values_list("studio_id", flat=True).first()
    if found is None:
        raise LinkGone
    return UUID(str(found))


def open_link(public_id: str, secret: str, pin: str, *, address: str) -> Opened:
    """Trades the secret of a link, and its PIN, for a view; counts the view and writes its audit event.

    Args:
        address: of the caller.

    Raises:
        LinkGone: see above.
        PinNeeded: no PIN was given, or a wrong one.
        TooManyRequests: too many wrong PINs from this network, or openings within an hour.
    """
    studio_id = studio_of_link(public_id)
    pin_hash = ""
    with studio_scope(studio_id):
        link = _locked(public_id, secret)
        if link.pin_hash:
            if not pin:
                raise PinNeeded(is_wrong=False)
            # Counted before it is checked, and committed: guesses at the same time cannot exceed the limit together.
            _count_try(link)
            pin_hash = link.pin_hash
    if pin_hash and not check_password(pin, pin_hash):
        raise PinNeeded(is_wrong=True)
    with studio_scope(studio_id):
        link = _locked(public_id, secret, pin_is_right=bool(pin_hash))
        if not hmac.compare_digest(link.pin_hash, pin_hash):
            raise LinkGone
        if pin_hash:
            _give_back_try(link)
        return _begin_view(link, address)


def playing(public_id: str, token: str, request: EgressRequest) -> Playing:
    """Returns the view of a cookie if it may go on now. Call it in the scope of the link's studio, at each request.

    Args:
        request: where the answer goes, and how many bytes of footage it has.

    Raises:
        LinkGone: it may not.
    """
    now = timezone.now()
    view = (
        ShareView.objects.filter(
            token_sha256=sha256(token.encode()).digest(), link__public_id=public_id, expires_at__gt=now
        )
        .select_related("link__class_session")
        .first()
    )
    if view is None or view.link.revoked_at is not None or now >= view.link.expires_at:
        raise LinkGone
    authorization = _require(view.link, request)
    return Playing(view.link, view, view.link.class_session, authorization)


def renew(view: ShareView, now: datetime) -> bool:
    """Extends a view that is being played; returns whether its cookie has to be sent again."""
    if view.seen_at > now - RENEW_EVERY:
        return False
    ShareView.objects.filter(pk=view.pk).update(seen_at=now, expires_at=now + VIEW_LIFETIME)
    return True


def _locked(public_id: str, secret: str, *, pin_is_right: bool = False) -> ShareLink:
    link: ShareLink | None = (
        ShareLink.objects.filter(public_id=public_id).select_for_update(of=("self",)).first()
    )
    try:
        digest = sha256(bytes.fromhex(secret)).digest()
    except ValueError:
        digest = b""
    if link is None or not hmac.compare_digest(digest, bytes(link.secret_sha256)):
        raise LinkGone
    if pin_is_right:
        link.pin_failures -= 1
    if not link.is_active(timezone.now()):
        raise LinkGone
    return link


def _count_try(link: ShareLink) -> None:
    now = timezone.now()
    row, _ = PinFailures.objects.get_or_create(
        studio_id=link.studio_id,
        link=link,
        network_hash=network_hash(link.studio_id),
        defaults={"tried_at": now},
    )
    if row.tried_at < now - PIN_LOCK:
        row.failures = 0
    if row.failures >= PIN_TRIES:
        wait_s = max(1, int((row.tried_at + PIN_LOCK - now).total_seconds()))
        raise TooManyRequests("Too many wrong PINs. Try again later.", retry_after_s=wait_s)
    row.failures, row.tried_at = row.failures + 1, now
    row.save(update_fields=["failures", "tried_at"])
    link.pin_failures += 1
    link.save(update_fields=["pin_failures"])
    if link.pin_failures == MOST_PIN_FAILURES:
        record_for(
            SHARE_LINK_CLOSED, link.class_session, actor=_sharer(link), details={"link": link.public_id}
        )


def _give_back_try(link: ShareLink) -> None:
    link.save(update_fields=["pin_failures"])
    row = PinFailures.objects.filter(link=link, network_hash=network_hash(link.studio_id)).first()
    if row is not None and row.failures:
        row.failures -= 1
        row.save(update_fields=["failures"])


def _begin_view(link: ShareLink, address: str) -> Opened:
    authorization = _require(link, EgressRequest(address=address))
    now, token = timezone.now(), secrets.token_bytes(32)
    if ShareView.objects.filter(link=link, created_at__gt=now - HOUR).count() >= OPENINGS_AN_HOUR:
        raise TooManyRequests("This link was opened too often. Try again in an hour.", retry_after_s=3600)
    view = ShareView(
        studio_id=link.studio_id,
        link=link,
        token_sha256=sha256(encode_secret(token).encode()).digest(),
        network=network_of(address),
        expires_at=now + VIEW_LIFETIME,
        seen_at=now,
    )
    entry = record_for(
        SHARE_LINK_OPENED,
        link.class_session,
        actor=authorization.actor,
        details={"link": link.public_id, "view": str(view.id)},
    )
    view.entry_id = entry.id
    view.save(force_insert=True)
    link.views += 1
    link.save(update_fields=["views"])
    return Opened(link, encode_secret(token))


def _require(link: ShareLink, request: EgressRequest) -> access.Authorization:
    """Asks all that is asked at each act.

    Raises:
        LinkGone: something stops it; a reader does not learn what.
    """
    try:
        authorization = require_egress(_sharer(link), link.class_session, EgressKind.SHARE, request)
    except (NotFound, Forbidden) as error:
        raise LinkGone from error
    if not link.pin_hash and needs_pin(link.class_session, egress_policy()):
        raise LinkGone
    return authorization


def _sharer(link: ShareLink) -> Actor:
    """Returns the person who made a link, as whom its readers act; the job tells the two apart in the log."""
    return Actor(ActorKind.USER, id=link.created_by, job=JOB)
