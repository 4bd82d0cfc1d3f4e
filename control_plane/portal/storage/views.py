"""A studio's own stores: the list, their probes, and the migration between them."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.ingest.disk_space import low_disks
from control_plane.plans.quotas import allowance
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.storage.presenter import (
    ChangeStoreForm,
    RegionForm,
    StoreForm,
    damage_cards,
    move_card,
    store_cards,
    store_named,
)
from control_plane.recordings.object_deletion import retire_store
from control_plane.recordings.plan_usage import limit_usages
from control_plane.recordings.store_migration import cancel_migration, retry_failures, start_migration
from control_plane.storage import stores
from control_plane.storage.models import StoreMigration
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.storage.services import add_store, change_store, request_probe, set_region
from control_plane.tenancy.permissions import MANAGE_STUDIO

READ_WRITE = ("GET", "HEAD", "POST")


@require_safe
def storage(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the stores and the progress of a migration."""
    return _page(request, RegionForm(initial={"region": _require(request)}))


@require_safe
def storage_state(request: StudioRequest, slug: str) -> HttpResponse:
    """Returns stores and migration, for polling."""
    _require(request)
    return studio_page(request, "portal/storage/state.html", _state(request))


@require_POST
def storage_region(request: StudioRequest, slug: str) -> HttpResponse:
    """Sets the region in which footage must stay."""
    form = RegionForm(request.POST)
    if form.is_valid():
        try:
            row = set_region(request.studio, form.cleaned_data["region"], actor=actor_of(request))
        except (BadRequest, Conflict) as error:
            form.add_error("region", error.detail)
        else:
            messages.success(
                request,
                _("Footage stays in %(region)s.") % {"region": row.region}
                if row.region
                else _("Footage can be stored in any region."),
            )
            return _back(request)
    return _page(request, form, status=422)


@require_http_methods(READ_WRITE)
def new_store(request: StudioRequest, slug: str) -> HttpResponse:
    """Adds a studio's own store."""
    _require(request)
    form = StoreForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            store = add_store(request.studio, actor=actor_of(request), **form.cleaned_data)
        except (BadRequest, Conflict) as error:
            _refuse(form, error.detail)
        else:
            messages.success(
                request, _("Probing %(store)s. It is not used until you choose it.") % {"store": store.name}
            )
            return _back(request)
    return _form(request, form, {})


@require_http_methods(READ_WRITE)
def store_page(request: StudioRequest, slug: str, store: str) -> HttpResponse:
    """Shows one store with its probe, and changes its credentials."""
    actor = actor_of(request)
    row = store_named(actor, request.studio, store)
    if row is None:
        raise NotFound
    card = next(item for item in store_cards(request.studio) if item.id == row.id)
    first = {
        "name": row.name,
        "encryption": row.encryption,
        "kms_key_id": row.kms_key_id,
        "ca_pem": row.ca_pem,
    }
    form = ChangeStoreForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        secret = values.pop("secret_key")
        if not values["access_key"]:
            del values["access_key"]
        try:
            change_store(row, actor=actor, secret_key=secret, **values)
        except (BadRequest, Conflict) as error:
            _refuse(form, error.detail)
        else:
            messages.success(request, _("Saved. Probing the store again."))
            return _back(request)
    return _form(request, form, {"card": card})


@require_POST
def try_again(request: StudioRequest, slug: str, store: str) -> HttpResponse:
    """Probes a store."""
    actor = actor_of(request)
    request_probe(request.studio, store_named(actor, request.studio, store), actor=actor)
    return _back(request)


@require_POST
def migrate_here(request: StudioRequest, slug: str, store: str) -> HttpResponse:
    """Migrates all footage to a store, and records new footage there."""
    actor = actor_of(request)
    try:
        start_migration(request.studio, store_named(actor, request.studio, store), actor=actor)
    except Conflict as error:
        messages.error(request, error.detail)
    return _back(request)


@require_POST
def retire(request: StudioRequest, slug: str, store: str) -> HttpResponse:
    """Retires an empty store."""
    actor = actor_of(request)
    row = store_named(actor, request.studio, store)
    if row is None:
        raise NotFound
    try:
        retire_store(row, actor=actor)
    except Conflict as error:
        messages.error(request, error.detail)
    else:
        messages.success(
            request, _("%(row)s was removed, and its access keys were deleted.") % {"row": row.name}
        )
    return _back(request)


@require_POST
def cancel(request: StudioRequest, slug: str, migration_id: UUID) -> HttpResponse:
    """Cancels the migration."""
    try:
        cancel_migration(_move(request, migration_id), actor=actor_of(request))
    except Conflict as error:
        messages.error(request, error.detail)
    return _back(request)


@require_POST
def retry(request: StudioRequest, slug: str, migration_id: UUID) -> HttpResponse:
    """Retries the failures of a migration."""
    try:
        retry_failures(_move(request, migration_id), actor=actor_of(request))
    except Conflict as error:
        messages.error(request, error.detail)
    return _back(request)


@require_safe
def usage(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the studio's usage and the limits of its plan."""
    access.require(actor_of(request), MANAGE_STUDIO, request.studio)
    found = allowance()
    context = {"section": "settings", "plan": found, "uses": limit_usages(found)}
    return studio_page(request, "portal/storage/usage.html", context)


def _require(request: StudioRequest) -> str:
    access.require(actor_of(request), MANAGE_STORAGE, request.studio)
    return stores.storage().region


def _move(request: StudioRequest, migration_id: UUID) -> StoreMigration:
    _require(request)
    move: StoreMigration | None = StoreMigration.objects.filter(pk=migration_id).first()
    if move is None:
        raise NotFound
    return move


def _state(request: StudioRequest) -> dict[str, Any]:
    cards, move = store_cards(request.studio), move_card()
    copying = move is not None and move.is_copying
    return {
        "cards": cards,
        "move": move,
        "disk_is_low": bool(low_disks()),
        "damage": damage_cards(actor_of(request)),
        "busy": copying or any(card.is_trying for card in cards),
    }


def _page(request: StudioRequest, form: RegionForm, *, status: int = 200) -> HttpResponse:
    context = {"section": "settings", "form": form, **_state(request)}
    return studio_page(request, "portal/storage/storage.html", context, status=status)


def _form(request: StudioRequest, form: StoreForm, context: dict[str, Any]) -> HttpResponse:
    status = 422 if form.errors else 200
    return studio_page(
        request,
        "portal/storage/store.html",
        {"section": "settings", "form": form, **context},
        status=status,
    )


def _refuse(form: forms.Form, detail: str) -> None:
    field, _, text = detail.partition(": ")
    known = text and field in form.fields
    form.add_error(field if known else None, text if known else detail)


def _back(request: StudioRequest) -> HttpResponse:
    return redirect("portal:storage", slug=request.studio.slug)
