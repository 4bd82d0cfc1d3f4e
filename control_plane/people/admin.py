"""Admin pages of dancers and their guardians."""

from typing import Any

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin, ServiceForm
from control_plane.people import services as people_services
from control_plane.people.consent_models import ConsentNotice, ConsentRecord, ConsentRequest
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, GuardianInvitation, Guardianship
from control_plane.people.permissions import MANAGE_DANCERS


class DancerForm(ServiceForm):
    """Adds and changes dancers."""

    class Meta:
        model = Dancer
        fields = ("name", "birth_date", "birth_year", "protected", "note")

    def call(self) -> Dancer:
        """Adds or changes the dancer."""
        values: dict[str, Any] = {name: self.cleaned_data[name] for name in self.Meta.fields}
        if self.instance._state.adding:
            return people_services.add_dancer(self.studio, NewDancer(**values), actor=self.actor)
        dancer = Dancer.objects.get(pk=self.instance.pk)
        return people_services.change_dancer(dancer, actor=self.actor, **values)


@admin.register(Dancer)
class DancerAdmin(ScopedAdmin):
    """Dancers of the studio."""

    service_form = DancerForm
    write_action = MANAGE_DANCERS
    can_add = can_change = True
    list_display = ("name", "birth_year", "protected", "left_at")
    list_filter = ("protected",)
    search_fields = ("name",)
    readonly_fields = ("left_at", "created_at")


@admin.register(GuardianInvitation)
class GuardianInvitationAdmin(ScopedAdmin):
    """Invitations of guardians that nobody has approved yet; the page of a dancer decides them."""

    list_display = ("dancer", "relation", "created_at")
    fields = readonly_fields = ("dancer", "invitation", "relation", "created_at")


@admin.register(ConsentNotice)
class ConsentNoticeAdmin(ScopedAdmin):
    """Notices of the studio; they are written in the portal."""

    list_display = ("title", "version", "language", "published_at")
    fields = readonly_fields = ("title", "text", "language", "purposes", "version", "published_at")


@admin.register(ConsentRequest)
class ConsentRequestAdmin(ScopedAdmin):
    """Requests for consent, without their links."""

    list_display = ("dancer", "user", "sent_at", "expires_at", "answered_at", "revoked_at")
    list_select_related = ("dancer", "user")
    fields = readonly_fields = (
        "dancer",
        "user",
        "notice",
        "purposes",
        "sent_at",
        "expires_at",
        "answered_at",
        "revoked_at",
        "reminders",
    )


@admin.register(ConsentRecord)
class ConsentRecordAdmin(ScopedAdmin):
    """Answers. They are never changed."""

    list_display = ("dancer", "purpose", "answer", "signer", "method", "answered_at")
    list_select_related = ("dancer",)
    list_filter = ("purpose", "answer", "method")
    fields = readonly_fields = (
        "dancer",
        "purpose",
        "answer",
        "signer",
        "method",
        "notice",
        "answered_at",
        "signed_on",
        "signed_by",
    )


@admin.register(Guardianship)
class GuardianshipAdmin(ScopedAdmin):
    """Guardianships, ended ones included."""

    list_display = ("dancer", "user", "relation", "started_at", "ended_at")
    list_select_related = ("dancer", "user")
    list_filter = ("relation",)
    fields = readonly_fields = ("dancer", "user", "relation", "started_at", "ended_at")
