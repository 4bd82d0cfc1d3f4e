"""Writes of share links: make, revoke one, revoke all."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Forbidden
from control_plane.common.saving import check
from control_plane.common.scoping import studio_scope
from control_plane.plans.rate_limits import require_rate
from control_plane.recordings.events import ClassShredded
from control_plane.recordings.models import ClassSession
from control_plane.recordings.part_choice import choose_part
from control_plane.recordings.permissions import SHARE
from control_plane.recordings.presence import classes_with_minors
from control_plane.sharing.audit_events import SHARE_LINK_MADE, SHARE_LINK_REVOKED
from control_plane.sharing.egress import NOTHING_YET, EgressKind, egress_policy, require_egress
from control_plane.sharing.models import EgressPolicy, PinRule, ShareLink
from control_plane.sharing.selectors import LinkFilter, active, filtered, links_for
from control_plane.tenancy.models import Studio

PIN_DIGITS = 6
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Of public ids, which people read to each other: without 0, 1, i, l and o."""
_PUBLIC_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """The wishes of the person who makes a link.

    Attributes:
        title: what the page shows as the title; empty: that of the class.
        track_ids: the cameras; empty: all.
        from_s, to_s: the bounds in seconds of class time; None: the start, the end.
        days: how long it works, at most what the studio allows.
        max_views: how often it may be opened; None: no limit.
        with_pin: whether it needs a PIN. Where the studio demands one it does anyway.
    """

    title: str = ""
    track_ids: Collection[UUID] = ()
    from_s: float | None = None
    to_s: float | None = None
    days: int = 7
    max_views: int | None = None
    with_pin: bool = True


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A new link. `address`, with the secret, and `pin` (empty: none) are known only now."""

    link: ShareLink
    address: str
    pin: str


def make_link(class_session: ClassSession, facts: LinkFacts, *, actor: Actor) -> MadeLink:
    """Makes a share link of a class, or a part of it.

    Raises:
        BadRequest: a value is out of its bounds; the message names it.
        Conflict: the class is not complete yet.
        EgressRefused: something stops this class from being shared now.
        NotFound, Forbidden: `actor` may not share this class.
        TooManyRequests: too many were made within an hour.
    """
    with studio_scope(class_session.studio_id):
        require_egress(actor, class_session, EgressKind.SHARE, NOTHING_YET)
        require_rate(SHARE_LINK_MADE, actor=actor)
        if actor.kind is not ActorKind.USER or actor.id is None:
            raise Forbidden("Only a person can share a class.")
        if not class_session.has_ended:
            raise Conflict("This class is not complete yet. Share it when its footage has arrived.")
        policy, now = egress_policy(), timezone.now()
        part, _ = choose_part(class_session, facts.track_ids, facts.from_s, facts.to_s)
        secret = secrets.token_bytes(32)
        pin = _new_pin() if facts.with_pin or needs_pin(class_session, policy) else ""
        link = ShareLink(
            studio_id=class_session.studio_id,
            class_session=class_session,
            public_id="".join(secrets.choice(_ALPHABET) for _ in range(_PUBLIC_ID_LENGTH)),
            created_by=actor.id,
            title=facts.title.strip() or class_session.title,
            secret_sha256=sha256(secret).digest(),
            pin_hash=make_password(pin) if pin else "",
            track_ids=sorted(part.track_ids),
            from_at=part.from_at,
            to_at=part.to_at,
            expires_at=_end(facts.days, policy, now),
            max_views=facts.max_views,
        )
        check(link)
        link.save(force_insert=True)
        details = {
            "link": link.public_id,
            "cameras": len(part.track_ids),
            "whole": part.from_at is None and part.to_at is None,
            "pin": bool(pin),
            "days": facts.days,
            "views": facts.max_views,
        }
        record_for(SHARE_LINK_MADE, class_session, actor=actor, details=details)
    return MadeLink(link, f"{settings.PUBLIC_URL}/s/{link.public_id}#{encode_secret(secret)}", pin)


def revoke_link(link: ShareLink, *, actor: Actor) -> bool:
    """Revokes a link: the next request of an open page is refused. Returns whether it was not revoked already.

    Raises:
        NotFound, Forbidden: `actor` may not share the class.
    """
    with studio_scope(link.studio_id):
        access.require(actor, SHARE, link)
        return bool(_revoke([link.pk], actor=actor))


def revoke_links(studio: Studio, *, actor: Actor, class_session: ClassSession | None = None) -> int:
    """Revokes all links of a class, or of the studio (None), of classes that `actor` may share; returns how many.

    Raises:
        NotFound, Forbidden: `actor` may not share the class.
    """
    with studio_scope(studio.id):
        links = access.visible(actor, ShareLink).filter(revoked_at=None)
        if class_session is not None:
            access.require(actor, SHARE, class_session)
            links = links.filter(class_session=class_session)
        return _revoke(list(links.values_list("pk", flat=True)), actor=actor)


def revoke_listed(studio: Studio, wanted: LinkFilter, *, seen: int, actor: Actor) -> int:
    """Revokes the wanted links in the list of `actor` that can still be opened; returns how many.

    Args:
        seen: how many the person was shown; more of them have not been decided about.

    Raises:
        Conflict: there are more than `seen`.
        Forbidden: `actor` may not share.
    """
    with studio_scope(studio.id):
        access.require(actor, SHARE, studio)
        now = timezone.now()
        found = filtered(links_for(actor, studio), wanted, now).filter(active(now))
        ids = list(found.values_list("pk", flat=True)[: seen + 1])
        if len(ids) > seen:
            raise Conflict("Another link was made in the meantime. Look at the list again.")
        return _revoke(ids, actor=actor)


def remove_links(event: ClassShredded) -> None:
    """Removes the links of a destroyed or expired class, with their views: the audit log keeps who shared and opened it."""
    ShareLink.objects.filter(class_session_id=event.class_session_id).delete()


def needs_pin(class_session: ClassSession, policy: EgressPolicy) -> bool:
    """Returns whether a link of this class needs a PIN now: a minor is enrolled or on the roster, or the studio says so."""
    if policy.pin_rule == PinRule.ALWAYS:
        return True
    return bool(classes_with_minors([class_session.pk]))


def encode_secret(secret: bytes) -> str:
    """Returns a secret as hexadecimal text, for the fragment of an address or for a cookie."""
    return secret.hex()


def _revoke(ids: Collection[UUID], *, actor: Actor) -> int:
    locked = ShareLink.objects.filter(pk__in=ids, revoked_at=None).select_for_update(of=("self",))
    links = list(locked.order_by("id").select_related("class_session"))
    ShareLink.objects.filter(pk__in=[link.pk for link in links]).update(
        revoked_at=timezone.now(), revoked_by=actor.id
    )
    for link in links:
        record_for(SHARE_LINK_REVOKED, link.class_session, actor=actor, details={"link": link.public_id})
    return len(links)


def _end(days: int, policy: EgressPolicy, now: datetime) -> datetime:
    if not 1 <= days <= policy.longest_link_days:
        raise BadRequest(f"A link works for 1 to {policy.longest_link_days} days in this studio.")
    return now + timedelta(days=days)


def _new_pin() -> str:
    return f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"
