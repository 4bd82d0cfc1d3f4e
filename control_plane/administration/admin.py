"""Admin pages of the studio, its rooms, members, invitations and plan."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from control_plane.access.admin_base import ScopedAdmin, ServiceForm
from control_plane.administration import services
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.common.roles import Role
from control_plane.plans.models import Plan, StudioPlan
from control_plane.tenancy.models import Invitation, Membership, Room, Studio
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_ROOMS, MANAGE_STUDIO


class StudioForm(ServiceForm):
    """Name, time zone and colour."""

    class Meta:
        model = Studio
        fields = ("name", "time_zone", "accent")
        widgets: ClassVar = {"accent": forms.TextInput(attrs={"type": "color"})}

    def call(self) -> Studio:
        """Changes the studio."""
        values = {name: self.cleaned_data[name] for name in self.changed_data}
        studio = Studio.objects.get(pk=self.instance.pk)
        return services.change_studio(studio, actor=self.actor, **values) if values else studio


@admin.register(Studio)
class StudioAdmin(ScopedAdmin):
    """The studio itself."""

    service_form = StudioForm
    write_action = MANAGE_STUDIO
    can_change = True
    list_display = ("name", "slug", "time_zone")
    readonly_fields = ("slug", "created_at")


class RoomForm(ServiceForm):
    """A room's name."""

    class Meta:
        model = Room
        fields = ("name",)

    def call(self) -> Room:
        """Creates or renames the room."""
        name = self.cleaned_data["name"]
        if self.instance._state.adding:
            return services.create_room(self.studio, name=name, actor=self.actor)
        return services.rename_room(Room.objects.get(pk=self.instance.pk), name=name, actor=self.actor)


@admin.register(Room)
class RoomAdmin(ScopedAdmin):
    """Rooms. "Add agent" links to the page that shows a pairing code."""

    service_form = RoomForm
    write_action = MANAGE_ROOMS
    can_add = can_change = True
    list_display = ("name", "created_at")
    search_fields = ("name",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Adds the link to the page that shows a pairing code."""
        return super().changelist_view(request, (extra_context or {}) | _add_agent(request))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Adds the link to the page that shows a pairing code."""
        return super().change_view(request, object_id, form_url, (extra_context or {}) | _add_agent(request))


class MemberForm(ServiceForm):
    """A member's role."""

    class Meta:
        model = Membership
        fields = ("role",)

    def call(self) -> Membership:
        """Changes the role."""
        before = Membership.objects.get(pk=self.instance.pk)
        role = Role(self.cleaned_data["role"])
        return before if before.role == role else services.change_role(before, role, actor=self.actor)


@admin.register(Membership)
class MembershipAdmin(ScopedAdmin):
    """Members of the studio and their roles."""

    service_form = MemberForm
    write_action = MANAGE_PEOPLE
    can_change = can_remove = True
    list_display = ("person", "email", "role", "created_at", "last_seen_at")
    list_select_related = ("user",)
    list_filter = ("role",)
    readonly_fields = (
        "person",
        "email",
        "created_at",
        "last_seen_at",
        "seen_with_factor",
        "signin_not_before",
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Adds the link to the invitations; people become members only by accepting one."""
        link = {"invite_url": reverse("portal:invitations", args=[request.studio.slug])}  # type: ignore[attr-defined]
        return super().changelist_view(request, (extra_context or {}) | link)

    def remove(self, obj: Model, *, actor: Actor) -> None:
        """Ends the membership."""
        if not isinstance(obj, Membership):
            raise Conflict("not a membership")
        services.remove_member(obj, actor=actor)

    @admin.display(description="Person")
    def person(self, obj: Membership) -> str:
        """Returns the name."""
        return obj.user.get_full_name()

    @admin.display(description="E-mail address")
    def email(self, obj: Membership) -> str:
        """Returns the address."""
        return obj.user.email


def _add_agent(request: HttpRequest) -> dict[str, str]:
    return {"add_agent_url": reverse("portal:add_agent", args=[request.studio.slug])}  # type: ignore[attr-defined]


@admin.register(Invitation)
class InvitationAdmin(ScopedAdmin):
    """Invitations, without their tokens."""

    list_display = ("email", "role", "created_at", "expires_at", "accepted_at", "revoked_at")
    fields = readonly_fields = (
        "email",
        "role",
        "membership_ends_at",
        "created_at",
        "expires_at",
        "sent_at",
        "accepted_at",
        "revoked_at",
    )


@admin.register(Plan)
class PlanAdmin(ScopedAdmin):
    """Plans of the platform."""

    list_display = ("name", "agents", "cameras", "members", "storage_bytes", "is_default")
    fields = readonly_fields = (
        "name", "slug", "agents", "cameras", "members", "storage_bytes", "analyses_per_month", "api_per_minute",
        "soft_percent", "contact", "is_default",
    )  # fmt: skip


@admin.register(StudioPlan)
class StudioPlanAdmin(ScopedAdmin):
    """The studio's plan, with its overrides."""

    list_display = ("plan", "overrides", "note")
    fields = readonly_fields = ("plan", "overrides", "note", "created_at")
