"""Data of the pages of share links."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from qrcode.image.svg import SvgPathImage
from qrcode.main import QRCode

from control_plane.common.names import name_key
from control_plane.portal.access.presenter import names_of
from control_plane.recordings.models import ClassSession
from control_plane.sharing.links import MadeLink
from control_plane.sharing.models import ShareLink, ShareView
from control_plane.sharing.selectors import latest_views

LATEST = 5
"""Openings that a list shows of each link; the audit log has all."""
MOST_CHOICES = 200


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One link in a list. `openings`: the latest, the newest first; `earlier`: how many more there were."""

    id: UUID
    title: str
    public_id: str
    state: str
    is_active: bool
    expires_at: datetime
    views: int
    max_views: int | None
    has_pin: bool
    is_part: bool
    cameras: int
    class_session: ClassSession
    made_at: datetime
    made_by: str
    openings: list[ShareView]
    earlier: int


@dataclass(frozen=True, slots=True)
class Choices:
    """Choices of the filter: people and classes, each with its id."""

    people: list[tuple[UUID, str]]
    classes: list[ClassSession]


def link_rows(links: Iterable[ShareLink], now: datetime) -> list[LinkRow]:
    """Returns the rows of links, in their order."""
    found = list(links)
    opened = latest_views(found, most=LATEST)
    names = names_of(link.created_by for link in found)
    return [_row(link, opened.get(link.id, []), names, now) for link in found]


def choices_of(links: QuerySet[ShareLink]) -> Choices:
    """Returns the people who made `links` and the classes that they show, the newest first; at most `MOST_CHOICES` each."""
    unsorted = links.order_by()
    names = names_of(unsorted.values_list("created_by", flat=True).distinct()[:MOST_CHOICES])
    classes = ClassSession.objects.filter(pk__in=unsorted.values("class_session_id"))
    return Choices(
        sorted(names.items(), key=lambda item: name_key(item[1])),
        list(classes.order_by("-requested_at")[:MOST_CHOICES]),
    )


def qr_code(text: str) -> SafeString:
    """Returns a QR code as SVG."""
    code: Any = QRCode(border=2)
    code.add_data(text)
    drawn = str(code.make_image(image_factory=SvgPathImage).to_string(encoding="unicode"))
    return mark_safe(drawn)  # noqa: S308  # paths that the library draws from our own address


def message_text(made: MadeLink, studio: str) -> str:
    """Returns a message to send with a new link; the PIN goes another way."""
    text = _("%(studio)s shares “%(title)s” with you: %(address)s") % {
        "studio": studio,
        "title": made.link.title,
        "address": made.address,
    }
    return f"{text} {_('You get the PIN separately.')}" if made.pin else text


def _row(link: ShareLink, opened: list[ShareView], names: dict[UUID, str], now: datetime) -> LinkRow:
    return LinkRow(
        id=link.id,
        title=link.title,
        public_id=link.public_id,
        state=_state(link, now),
        is_active=link.is_active(now),
        expires_at=link.expires_at,
        views=link.views,
        max_views=link.max_views,
        has_pin=bool(link.pin_hash),
        is_part=link.from_at is not None or link.to_at is not None,
        cameras=len(link.track_ids),
        class_session=link.class_session,
        made_at=link.created_at,
        made_by=names.get(link.created_by, _("a deleted account")),
        openings=opened,
        earlier=max(0, link.views - len(opened)),
    )


def _state(link: ShareLink, now: datetime) -> str:
    if link.revoked_at is not None:
        return _("Revoked")
    if now >= link.expires_at:
        return _("Expired")
    if link.max_views is not None and link.views >= link.max_views:
        return _("Used up")
    return _("Active") if link.is_active(now) else _("Closed by wrong PINs")
