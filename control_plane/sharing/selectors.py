"""Reads of share links: which a person may see, and who opened them. Inside `studio_scope` only."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.sharing.models import MOST_PIN_FAILURES, ShareLink, ShareView
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import MANAGE_PEOPLE


@dataclass(frozen=True, slots=True)
class LinkFilter:
    """Which links are wanted; None: any.

    Attributes:
        is_active: whether they can still be opened.
        class_id: the class that they show.
        made_by: the person who made them.
    """

    is_active: bool | None = None
    class_id: UUID | None = None
    made_by: UUID | None = None


def manages_links(actor: Actor, studio: Studio) -> bool:
    """Returns whether `actor` sees the links that others made: who decides who sees what in the studio does."""
    return access.can(actor, MANAGE_PEOPLE, studio)


def links_for(actor: Actor, studio: Studio) -> QuerySet[ShareLink]:
    """Returns the links in the list of `actor`: of classes that they may share; only own ones unless they manage people."""
    found: QuerySet[ShareLink] = access.visible(actor, ShareLink)
    if manages_links(actor, studio):
        return found
    return found.filter(created_by=actor.id) if actor.id else found.none()


def filtered(links: QuerySet[ShareLink], wanted: LinkFilter, now: datetime) -> QuerySet[ShareLink]:
    """Returns those of `links` that are wanted, the newest first."""
    if wanted.is_active is not None:
        links = links.filter(active(now)) if wanted.is_active else links.exclude(active(now))
    if wanted.class_id is not None:
        links = links.filter(class_session_id=wanted.class_id)
    if wanted.made_by is not None:
        links = links.filter(created_by=wanted.made_by)
    return links.order_by("-created_at", "-id")


def active(now: datetime) -> Q:
    """Returns `ShareLink.is_active` as a condition."""
    return Q(
        Q(max_views=None) | Q(views__lt=F("max_views")),
        revoked_at=None,
        expires_at__gt=now,
        pin_failures__lt=MOST_PIN_FAILURES,
    )


def latest_views(links: Collection[ShareLink], *, most: int) -> dict[UUID, list[ShareView]]:
    """Returns the latest openings of each link by its id, the newest first, at most `most` of each; one query."""
    number = Window(RowNumber(), partition_by=F("link_id"), order_by=(F("created_at").desc(), F("id").desc()))
    rows = ShareView.objects.filter(link__in=[link.pk for link in links]).annotate(number=number)
    found: dict[UUID, list[ShareView]] = {}
    for view in rows.filter(number__lte=most).order_by("-created_at", "-id"):
        found.setdefault(view.link_id, []).append(view)
    return found
