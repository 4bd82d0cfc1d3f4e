"""Data of the pages of share links."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from qrcode.image.svg import SvgPathImage
from qrcode.main import QRCode

from control_plane.sharing.links import MadeLink
from control_plane.sharing.models import ShareLink, ShareView


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One link in a list. `opened_at` None: never opened; `networks`: those that opened it last."""

    id: UUID
    title: str
    public_id: str
    state: str
    is_active: bool
    expires_at: datetime
    views: int
    max_views: int | None
    opened_at: datetime | None
    networks: list[str]
    has_pin: bool
    is_part: bool


def link_rows(links: Iterable[ShareLink], now: datetime) -> list[LinkRow]:
    """Returns the rows of links, in their order."""
    found = list(links)
    opened: dict[UUID, list[ShareView]] = {}
    for view in ShareView.objects.filter(link__in=[link.pk for link in found]).order_by("-created_at")[:500]:
        opened.setdefault(view.link_id, []).append(view)
    return [_row(link, opened.get(link.id, []), now) for link in found]


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


def _row(link: ShareLink, opened: list[ShareView], now: datetime) -> LinkRow:
    return LinkRow(
        id=link.id,
        title=link.title,
        public_id=link.public_id,
        state=_state(link, now),
        is_active=link.is_active(now),
        expires_at=link.expires_at,
        views=link.views,
        max_views=link.max_views,
        opened_at=opened[0].created_at if opened else None,
        networks=list(dict.fromkeys(view.network for view in opened if view.network))[:3],
        has_pin=bool(link.pin_hash),
        is_part=link.from_at is not None or link.to_at is not None,
    )


def _state(link: ShareLink, now: datetime) -> str:
    if link.revoked_at is not None:
        return _("Revoked")
    if now >= link.expires_at:
        return _("Expired")
    if link.max_views is not None and link.views >= link.max_views:
        return _("Used up")
    return _("Active") if link.is_active(now) else _("Closed by wrong PINs")
