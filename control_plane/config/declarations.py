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

from control_plane.access.actions import Action
from control_plane.access.roles import MACHINE_ACTIONS, MEANINGS, TITLES
from control_plane.audit import catalogue
from control_plane.audit.words import has_category
from control_plane.common.models import AccessPath, StudioOwned, UUIDModel
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
    if name not in [action.value for action in Action]:
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


def check_texts(**kwargs: Any) -> list[CheckMessage]:
    """Every permission has a meaning and, if people can have it, a title; every audit event a sentence and a category."""
    missing = [f"the permission {action} has no meaning" for action in Action if action not in MEANINGS]
    missing += [
        f"the permission {action} has no title"
        for action in Action
        if action not in MACHINE_ACTIONS and action not in TITLES
    ]
    missing += [
        f"the audit event {event} has no sentence"
        for event in catalogue.Action
        if event not in catalogue.MEANINGS
    ]
    missing += [
        f"the audit event {event} has no category" for event in catalogue.Action if not has_category(event)
    ]
    return [
        Error(fault, hint="Add it next to the permission or the event.", id="threedance.E022")
        for fault in missing
    ]
