"""Base of all admin pages: `access` selects the rows, services write, and the audit log is the history."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import get_fields_from_path
from django.db import transaction
from django.db.models import ForeignKey, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from control_plane.access import access
from control_plane.access.audit_events import ADMIN_READ
from control_plane.audit.audit_events import AUDIT_READ
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError
from control_plane.common.permissions import StudioPermission
from control_plane.tenancy.models import Studio

ABOUT_READERS = frozenset({"compliance.Alert", "compliance.AlertAcknowledgement", "compliance.KnownNetwork"})
"""Models about people whose view permission is not about people: reading their admin pages is an audit event."""


def actor_of(request: HttpRequest) -> Actor:
    """Returns the signed-in person as an actor."""
    return access.require_signed_in(request.user)


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that passes its valid input to a service; a refusal of the service is an error of the form.

    The admin class sets `actor` and `studio`. `self.instance` is the row before the call; `call` returns the row after it.
    """

    actor: ClassVar[Actor]
    studio: ClassVar[Studio]

    def call(self) -> Model:
        """Calls the service with `cleaned_data`.

        Raises:
            ControlPlaneError: the service refuses.
        """
        raise NotImplementedError

    def _post_clean(self) -> None:
        # In place of the model's validation: the service validates in the transaction that writes.
        if self.errors:
            return
        try:
            with transaction.atomic():
                self.instance = self.call()
        except ControlPlaneError as error:
            self.add_error(None, error.detail or type(error).__name__)

    def save(self, commit: bool = True) -> Any:
        """Returns the row that the service wrote."""
        return self.instance

    def _save_m2m(self) -> None:
        # The service has written all data.
        return


class ScopedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows of the studio in scope that the person may see, read-only unless `service_form` is set.

    `write_action` is the permission for adding, changing and removing; `can_add`, `can_change`, `can_remove` say
    which of these exist at all.
    """

    service_form: ClassVar[type[ServiceForm] | None] = None
    new_form: ClassVar[type[ServiceForm] | None] = None
    """The form for adding, if it differs."""
    write_action: ClassVar[StudioPermission | None] = None
    can_add = can_change = can_remove = False
    actions = None
    view_on_site = False
    save_as = save_as_continue = False
    show_facets = admin.ShowFacets.NEVER

    def remove(self, obj: Model, *, actor: Actor) -> None:
        """Removes a row through its service."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Returns the rows that the person may see."""
        queryset = access.visible(actor_of(request), self.model)
        ordering = self.get_ordering(request)
        return queryset.order_by(*ordering) if ordering else queryset

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allows only the query parameters of `list_filter`; Django answers 400 to others.

        Django's rule allows every column of the model. The presence of a row would then reveal columns that no page
        shows, such as by `?password__startswith=`.
        """
        return lookup in self.filter_parameters()

    def filter_parameters(self) -> frozenset[str]:
        """Returns the query parameters that a filter of this page reads."""
        found: set[str] = set()
        for path in map(str, self.list_filter):
            field = get_fields_from_path(self.model, path)[-1]
            found |= {path, f"{path}__exact", f"{path}__isnull"}
            if isinstance(field, ForeignKey):
                found.add(f"{path}__{field.target_field.name}__exact")
        if self.date_hierarchy:
            found |= {f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day")}
        return frozenset(found)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Allows the primary key alone: `?_to_field=` with another column would be a lookup too."""
        return to_field == self.opts.pk.name

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Returns whether the index lists this model."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Returns whether the person has the model's view permission."""
        return self._allowed(request, access.view_action(self.model))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Returns whether the person may add rows."""
        return self.can_add and self._may_write(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Returns whether the person may change rows."""
        return self.can_change and self._may_write(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Returns whether the person may remove rows."""
        return self.can_remove and self._may_write(request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Returns the form that calls the service for this person; a read-only page has Django's form."""
        form = self._form(request, obj, change=change)
        return form or super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Returns the fields of the form, then the read-only fields."""
        form = self._form(request, obj, change=obj is not None)
        if form is None:
            return super().get_fieldsets(request, obj)
        sets: list[Any] = [(None, {"fields": list(form.field_order or form.base_fields)})]
        shown = self.get_readonly_fields(request, obj)
        if obj is not None and shown:
            sets.append(("State", {"fields": list(shown)}))
        return sets

    def _form(self, request: HttpRequest, obj: Any, *, change: bool) -> type[ServiceForm] | None:
        writes = self.has_change_permission(request, obj) if change else self.has_add_permission(request)
        form = self.service_form if change else self.new_form or self.service_form
        if form is None or not writes:
            return None
        bound = {"actor": actor_of(request), "studio": request.studio}  # type: ignore[attr-defined]
        return type(form.__name__, (form,), bound)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Does nothing: the form's service has written the row."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Does nothing: the form's service has written the row."""

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Removes the row through its service."""
        self.remove(obj, actor=actor_of(request))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Shows the reason if the service refuses."""
        try:
            with transaction.atomic():
                return self._noted(request, super().delete_view(request, object_id, extra_context), object_id)
        except ControlPlaneError as error:
            messages.error(request, error.detail)
            return HttpResponseRedirect("../change/")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Shows the rows; records an audit event for rows about people."""
        return self._noted(request, super().changelist_view(request, extra_context))

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Shows a row; records an audit event for a row about people."""
        response = super().changeform_view(request, object_id, form_url, extra_context)
        return response if object_id is None else self._noted(request, response, object_id)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Answers 404: the audit log is the history."""
        raise Http404

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Writes nothing: the service has written the audit event."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Writes nothing."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Writes nothing."""

    def _noted(self, request: HttpRequest, response: HttpResponse, object_id: str = "") -> HttpResponse:
        """Returns the response; a page about people and its audit event succeed or fail together."""
        studio: Studio | None = getattr(request, "studio", None)
        meta = self.model._meta
        about_people = access.view_action(self.model).shows_people or meta.label in ABOUT_READERS
        if studio is not None and about_people and response.status_code == 200:
            record(
                AUDIT_READ if meta.app_label == "audit" else ADMIN_READ,
                actor=actor_of(request),
                studio_id=studio.id,
                object_type=meta.label,
                object_id=object_id[:64] or studio.id,
                details={"page": str(meta.verbose_name_plural)},
            )
        return response

    def _may_write(self, request: HttpRequest) -> bool:
        return self.write_action is not None and self._allowed(request, self.write_action)

    def _allowed(self, request: HttpRequest, action: StudioPermission) -> bool:
        studio: Studio | None = getattr(request, "studio", None)
        return studio is not None and action in _rights(request, studio)


def _rights(request: HttpRequest, studio: Studio) -> frozenset[StudioPermission]:
    """Returns the person's permissions in the studio, computed once per request: one page needs them hundreds of times."""
    found: frozenset[StudioPermission] | None = getattr(request, "console_permissions", None)
    if found is None:
        found = access.permissions(actor_of(request), studio.id)
        request.console_permissions = found  # type: ignore[attr-defined]
    return found
