"""Data of the operator's pages: studios and their sizes, never their members or content."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from control_plane.access import roles
from control_plane.access.models import BreakGlass
from control_plane.common.scoping import platform_scope, studio_scope, user_scope
from control_plane.fleet.models import Agent
from control_plane.fleet.selectors import RECORDING_STATES
from control_plane.plans.models import StudioPlan
from control_plane.recordings.models import ClassSession, Segment
from control_plane.tenancy.models import Membership, Room, Studio


@dataclass(frozen=True, slots=True)
class StudioLine:
    """One studio in numbers."""

    id: UUID
    slug: str
    name: str
    accent: str
    created_at: datetime
    plan: str
    people: int
    rooms: int
    agents: int
    classes: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BreakGlassLine:
    """One break-glass access; `is_open`: it is in force."""

    id: UUID
    studio_name: str
    studio_slug: str
    operator: str
    reason: str
    permissions: list[str]
    opened_at: datetime
    ends_at: datetime
    closed_at: datetime | None
    is_open: bool


def studio_page_of(wanted: str, *, after: int, most: int) -> tuple[list[Studio], int]:
    """Returns a page of studios by name, and the number of studios with `wanted` in name or address."""
    with platform_scope("operator: list of studios"):
        found: QuerySet[Studio] = Studio.objects.order_by("name", "slug")
        if wanted:
            found = found.filter(Q(name__icontains=wanted) | Q(slug__icontains=wanted))
        return list(found[after : after + most]), found.count()


def studio_by_id(studio_id: UUID) -> Studio | None:
    """Returns a studio, for an operator."""
    with platform_scope("operator: one studio"):
        found: Studio | None = Studio.objects.filter(pk=studio_id).first()
        return found


def studio_lines(studios: Iterable[Studio]) -> list[StudioLine]:
    """Returns each studio in numbers. Each needs a scope of its own, so callers pass one page only."""
    return [_line(studio) for studio in studios]


def own_break_glass(operator_id: UUID, *, most: int, studio_id: UUID | None = None) -> list[BreakGlassLine]:
    """Returns an operator's own break-glass access, latest first."""
    with user_scope(operator_id):
        found = BreakGlass.own.select_related("operator").order_by("-created_at")
        if studio_id is not None:
            found = found.filter(studio_id=studio_id)
        rows = list(found[:most])
    with platform_scope("operator: names of the studios visited"):
        studios = {item.id: item for item in Studio.objects.filter(pk__in={row.studio_id for row in rows})}
    return break_glass_lines(rows, studios)


def break_glass_lines(rows: Iterable[BreakGlass], studios: dict[UUID, Studio]) -> list[BreakGlassLine]:
    """Returns the lines of break-glass access whose operators are loaded."""
    now = timezone.now()
    return [
        BreakGlassLine(
            id=row.id,
            studio_name=studios[row.studio_id].name,
            studio_slug=studios[row.studio_id].slug,
            operator=row.operator.get_full_name(),
            reason=row.reason,
            permissions=[roles.title(value) for value in row.actions],
            opened_at=row.created_at,
            ends_at=row.ends_at,
            closed_at=row.closed_at,
            is_open=row.closed_at is None and row.ends_at > now,
        )
        for row in rows
    ]


def _line(studio: Studio) -> StudioLine:
    with studio_scope(studio.id):
        plan = StudioPlan.objects.select_related("plan").first()
        return StudioLine(
            id=studio.id,
            slug=studio.slug,
            name=studio.name,
            accent=studio.accent,
            created_at=studio.created_at,
            plan=plan.plan.name if plan else "",
            people=Membership.objects.count(),
            rooms=Room.objects.count(),
            agents=Agent.objects.filter(state__in=RECORDING_STATES).count(),
            classes=ClassSession.objects.count(),
            bytes=Segment.objects.aggregate(sum=Sum("size_bytes"))["sum"] or 0,
        )
