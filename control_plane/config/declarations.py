"""System checks of the apps' declarations: one that is missing or names something unknown stops the start."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from celery import Task
from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.db.models.constants import LOOKUP_SEP
from django.urls import NoReverseMatch, reverse

from control_plane.audit.events import AuditEvent
from control_plane.common.models import AccessPath, StudioOwned, UUIDModel
from control_plane.common.navigation import Menu, NavigationEntry
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.config import registry


def check_models(**kwargs: Any) -> list[CheckMessage]:
    """Every model of a studio declares a known view permission and a valid access path."""
    return [
        Error(
            f"{model._meta.label} {fault}",
            hint="docs/design/architecture.md, `How an app declares itself`.",
            id="threedance.E020",
        )
        for model in apps.get_models()
        if issubclass(model, StudioOwned) or bool(getattr(model, "view_permission", ""))
        for fault in model_faults(model)
    ]


def model_faults(model: type[Model]) -> Iterator[str]:
    """Yields the faults of a model's declarations, each as the end of a sentence that begins with the model's name."""
    name: str = getattr(model, "view_permission", "")
    if StudioPermission.get(name) is None:
        yield (
            f"declares {name!r} as view_permission, which no app declares"
            if name
            else "has no view_permission"
        )
    path: AccessPath | None = getattr(model, "access_path", None)
    if path is None:
        yield "has no access_path; use STUDIO_ONLY if its rows belong to no class and no room"
        return
    for where in filter(None, (path.to_class, path.to_room)):
        if not _path_exists(model, where):
            yield f"has the access path {where!r}, which does not exist"


def _path_exists(model: type[Model], path: str) -> bool:
    *relations, column = path.split(LOOKUP_SEP)
    try:
        for relation in relations:
            related = model._meta.get_field(relation).related_model
            if not isinstance(related, type) or not issubclass(related, UUIDModel):
                return False
            model = related
        return column == "pk" or bool(model._meta.get_field(column.removesuffix("_id")))
    except FieldDoesNotExist:
        return False


def check_periodic_tasks(**kwargs: Any) -> list[CheckMessage]:
    """Every periodic task that an app declares exists."""
    return [
        Error(
            f"the periodic task {task.name} names {task.task}, which is not a Celery task",
            hint="Correct its name in the `periodic.py` of the app.",
            id="threedance.E021",
        )
        for task in registry.periodic_tasks()
        if not is_task(task.task)
    ]


def is_task(name: str) -> bool:
    """Returns whether a dotted name is a Celery task; a failing import raises."""
    module, _, function = name.rpartition(".")
    found = getattr(import_module(module), function, None)
    return isinstance(found, Task)


def check_permissions(**kwargs: Any) -> list[CheckMessage]:
    """Every permission is described, and its roles, needs and objects fit together."""
    return [
        Error(
            f"the permission {one} {fault}",
            hint="Correct it in the `permissions.py` of its app.",
            id="threedance.E022",
        )
        for one in StudioPermission.all()
        for fault in permission_faults(one)
    ]


def permission_faults(one: StudioPermission) -> Iterator[str]:
    """Yield each fault of a permission, as the end of a sentence that begins with its code."""
    if not one.label or not one.meaning.endswith("."):
        yield "has no label, or its meaning is no sentence"
    if one.is_for_people is (one.group is None):
        yield "needs a group where people can have it, and none where they cannot"
    if lacking := [role for role in one.always if not one.is_default_of(role)]:
        yield f"cannot be taken from {lacking}, which do not have it by default"
    if unknown := one.grantable_on - {model._meta.label for model in apps.get_models()}:
        yield f"is grantable on {sorted(unknown)}, which are no models"
    for need in one.needs:
        yield from (f"{fault} without {need}, which it needs" for fault in _without_need(one, need))
        if indirect := need.needs - one.needs:
            yield f"needs {need}, but not {sorted(indirect)}, which that needs"


def _without_need(one: StudioPermission, need: StudioPermission) -> Iterator[str]:
    if defaults := [role for role in Role if one.is_default_of(role) > need.is_default_of(role)]:
        yield f"is a default of {defaults}"
    if limits := [role for role in Role if one.is_available_to(role) > need.is_available_to(role)]:
        yield f"is available to {limits}"
    if one.break_glass > need.break_glass:
        yield "is in break-glass access"
    if objects := one.grantable_on - need.grantable_on:
        yield f"is grantable on {sorted(objects)}"


def check_navigation(**kwargs: Any) -> list[CheckMessage]:
    """Every link of the navigation leads to a page of a studio."""
    return [
        Error(
            f"the navigation entry {entry} {fault}",
            hint="Correct it in the `navigation.py` of its app.",
            id="threedance.E024",
        )
        for entry in NavigationEntry.all()
        for fault in navigation_faults(entry)
    ]


def navigation_faults(entry: NavigationEntry) -> Iterator[str]:
    """Yield each fault of a navigation entry, as the end of a sentence that begins with its code."""
    if not entry.section or entry.code.partition(".")[0] not in list(Menu):
        yield f"is not named after a menu ({', '.join(Menu)}) and a section"
    try:
        reverse(entry.url_name, args=["studio"])
    except NoReverseMatch:
        yield f"leads to {entry.url_name}, which is no page of a studio"


def check_audit_events(**kwargs: Any) -> list[CheckMessage]:
    """Every audit event has a meaning, and a text that names who did it, or what happened to what."""
    return [
        Error(
            f"the audit event {event} {fault}",
            hint="Correct it in the `audit_events.py` of its app.",
            id="threedance.E023",
        )
        for event in AuditEvent.all()
        for fault in event_faults(event)
    ]


def event_faults(event: AuditEvent) -> Iterator[str]:
    """Yield each fault of an audit event, as the end of a sentence that begins with its code."""
    if not event.meaning.endswith("."):
        yield "has a meaning that is no sentence"
    if not any(field in event.text for field in ("{who}", "{what}", "{rule}")):
        yield "has a text that names nobody and nothing"
    if (event.shows_footage or event.takes_data_out) and not event.is_read:
        yield "shows footage or takes data out, and is no read"
