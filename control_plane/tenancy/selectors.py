"""Reads of tenancy: before a studio is open, a person's own memberships; inside, its people and rooms."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from control_plane.common.rows import one
from control_plane.common.scoping import capability_scope, platform_scope, studio_scope, user_scope
from control_plane.studios.models import (
    BreakGlass,
    IdentityProvider,
    Invitation,
    Membership,
    ObjectRight,
    Role,
    Studio,
    StudioKey,
)
from control_plane.studios.standing import in_force, open_visits


def own_memberships(user_id: UUID) -> list[Membership]:
    """Returns a person's memberships that have not ended, with their studios loaded, by the studio's name."""
    with user_scope(user_id):
        return list(_own().order_by("studio__name"))


def own_membership(user_id: UUID, *, slug: str) -> Membership | None:
    """Returns a person's membership in the studio at `slug`, its studio loaded; None for a stranger."""
    with user_scope(user_id):
        return one(
            Membership,
            "studio.slug = %s AND (this.ends_at IS NULL OR this.ends_at > %s)"
            " AND EXISTS (SELECT 1 FROM accounts_user person WHERE person.id = this.user_id AND person.is_active)",
            [slug, timezone.now()],
            joined="studio",
        )


def studios_of_account(user_id: UUID) -> frozenset[UUID]:
    """Return the studios in which an account has a membership, in force or not, whichever studio is in scope.

    For a decision alone: nobody but the person is shown which they are, or that there are any.
    """
    with capability_scope("account_memberships", str(user_id)):
        found = Membership.reachable.filter(user_id=user_id).values_list("studio_id", flat=True)
        return frozenset(UUID(str(studio_id)) for studio_id in found)


def admin_memberships(user_id: UUID) -> list[Membership]:
    """Returns the memberships that open the admin site, their studios loaded."""
    return [item for item in own_memberships(user_id) if item.role == Role.ADMIN]


def own_break_glass(user_id: UUID, *, slug: str) -> BreakGlass | None:
    """Returns an operator's open break-glass of the studio at `slug`, the one that lasts longest, its studio loaded."""
    return next((glass for glass in own_break_glasses(user_id) if glass.studio.slug == slug), None)


def own_break_glasses(user_id: UUID) -> list[BreakGlass]:
    """Returns an operator's open break-glasses with their studios loaded, the one that lasts longest first."""
    with user_scope(user_id):
        found = open_visits(timezone.now(), BreakGlass.own.all())
        return list(found.select_related("studio").order_by("-ends_at"))


def break_glasses() -> QuerySet[BreakGlass]:
    """Returns all break-glasses of the studio in scope, newest first, operators loaded. Ask `studios.access` before."""
    found: QuerySet[BreakGlass] = BreakGlass.objects.select_related("operator").order_by("-created_at")
    return found


def open_break_glasses() -> list[BreakGlass]:
    """Returns those that are open now; shown to everybody who manages people of the studio in scope."""
    return list(open_visits(timezone.now()).select_related("operator").order_by("ends_at"))


def rights_of(user_id: UUID) -> QuerySet[ObjectRight]:
    """Returns a person's rights and denials in the studio in scope, over or not, newest first.

    `standing.right_on` reads each. Ask `studios.access` before.
    """
    found: QuerySet[ObjectRight] = (
        ObjectRight.objects.filter(user_id=user_id)
        .select_related("permission", "content_type")
        .order_by("-given_at", "id")
    )
    return found


def studio_ids(reason: str) -> list[UUID]:
    """Returns the ids of all studios for a sweep (`reason` says which); nothing inside them can be read."""
    with platform_scope(reason):
        return list(Studio.objects.order_by("id").values_list("id", flat=True))


def current_key() -> StudioKey:
    """Returns the generation of the studio's keys that boxes seal to now.

    Raises:
        StudioKey.DoesNotExist: the studio has none, which `services.create_studio` rules out.
    """
    key: StudioKey = StudioKey.objects.get(retired_at__isnull=True)
    return key


def invitation_of(token_sha256: bytes) -> Invitation | None:
    """Returns the invitation whose link holds this token, whatever has become of it."""
    with capability_scope("invitation_hash", token_sha256.hex()):
        found: Invitation | None = Invitation.reachable.filter(token_sha256=token_sha256).first()
        return found


def providers_for(domain: str) -> list[IdentityProvider]:
    """Return the enabled identity providers, of any studio, that have proven an e-mail domain; by the studio's id.

    A domain that a studio merely claims leads to none: else an address would be sent to the provider of whoever names its
    domain first.
    """
    with capability_scope("provider_domain", domain):
        found = IdentityProvider.reachable.filter(
            enabled=True, domains__contains=[domain], proven_domains__has_key=domain
        )
        return list(found.order_by("studio_id", "name"))


def provider_named(provider_id: UUID) -> IdentityProvider | None:
    """Return an enabled identity provider by the id in its sign-in link; None where there is none."""
    with capability_scope("provider_id", str(provider_id)):
        found: IdentityProvider | None = IdentityProvider.reachable.filter(pk=provider_id).first()
        return found


def studio_name_of(studio_id: UUID) -> str:
    """Return what a studio is called, for a page before anybody is signed in."""
    with studio_scope(studio_id):
        return str(Studio.objects.values_list("name", flat=True).get())


def _own() -> QuerySet[Membership]:
    found: QuerySet[Membership] = Membership.own.filter(
        in_force(timezone.now(), "ends_at"), user__is_active=True
    ).select_related("studio")
    return found
