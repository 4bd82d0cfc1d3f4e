"""Who may what: the table of roles, rights on single things, break-glass; dancers, and who answers for them."""

from typing import Any

from django.contrib import admin
from django.db.models import Model

from control_plane.access import services as access_services
from control_plane.access.access import Action
from control_plane.access.models import BreakGlass, ObjectRight, RoleActions
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.console.scoped import ScopedAdmin, ServiceForm
from control_plane.people import services as people_services
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Guardianship
from control_plane.recordings.models import Appearance


@admin.register(RoleActions)
class RoleActionsAdmin(ScopedAdmin):
    """What the studio changed in the table of roles; the table itself, with what a change does, is on the portal."""

    list_display = ("role", "changed_at")
    fields = readonly_fields = ("role", "actions", "changed_at", "changed_by")


@admin.register(ObjectRight)
class ObjectRightAdmin(ScopedAdmin):
    """Rights and denials on single things. They are given where the thing is: on the portal's page of it."""

    write_action = Action.MANAGE_PEOPLE
    can_remove = True
    list_display = ("person", "effect", "permission", "until", "given_at")
    list_filter = ("effect",)
    list_select_related = ("user", "permission__content_type")
    fields = readonly_fields = (
        "person",
        "effect",
        "permission",
        "object_pk",
        "until",
        "reason",
        "given_by",
        "given_at",
    )

    def remove(self, obj: Model, *, actor: Actor) -> None:
        """Takes the right back."""
        if not isinstance(obj, ObjectRight):
            raise Conflict("not a right")
        access_services.take_back(obj, actor=actor)

    @admin.display(description="Person")
    def person(self, obj: ObjectRight) -> str:
        """Returns the name."""
        name: str = obj.user.get_full_name()
        return name


@admin.register(BreakGlass)
class BreakGlassAdmin(ScopedAdmin):
    """Visits of platform support, for good. The portal ends one."""

    list_display = ("operator", "created_at", "ends_at", "closed_at")
    list_select_related = ("operator",)
    fields = readonly_fields = (
        "operator",
        "actions",
        "reason",
        "created_at",
        "ends_at",
        "closed_at",
        "closed_by",
    )


class DancerForm(ServiceForm):
    """What is kept of a dancer."""

    class Meta:
        model = Dancer
        fields = ("name", "birth_year", "protected", "note")

    def call(self) -> Dancer:
        """Adds or changes the dancer."""
        values: dict[str, Any] = {name: self.cleaned_data[name] for name in self.Meta.fields}
        if self.instance._state.adding:
            return people_services.add_dancer(self.studio, NewDancer(**values), actor=self.actor)
        dancer = Dancer.objects.get(pk=self.instance.pk)
        return people_services.change_dancer(dancer, actor=self.actor, **values)


@admin.register(Dancer)
class DancerAdmin(ScopedAdmin):
    """Those who are filmed."""

    service_form = DancerForm
    write_action = Action.MANAGE_DANCERS
    can_add = can_change = True
    list_display = ("name", "birth_year", "protected", "left_at")
    list_filter = ("protected",)
    search_fields = ("name",)
    readonly_fields = ("left_at", "created_at")


@admin.register(Guardianship)
class GuardianshipAdmin(ScopedAdmin):
    """Who answers for whom, and since when; ended ones stay."""

    list_display = ("dancer", "user", "relation", "started_at", "ended_at")
    list_select_related = ("dancer", "user")
    list_filter = ("relation",)
    fields = readonly_fields = ("dancer", "user", "relation", "started_at", "ended_at")


@admin.register(Appearance)
class AppearanceAdmin(ScopedAdmin):
    """Who was in which class; the portal's page of the class changes it."""

    list_display = ("dancer", "class_session", "confirmed_at")
    list_select_related = ("dancer", "class_session")
    fields = readonly_fields = ("class_session", "dancer", "confirmed_at", "confirmed_by")
