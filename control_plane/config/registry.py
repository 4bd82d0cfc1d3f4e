"""The apps of the control plane, and their declarations. A new app is one line here, one in `urls`, and its own folder.

An app declares itself in modules of fixed names, each optional; docs/design/architecture.md lists them. Settings import
this module, so it loads no model by itself.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from control_plane.common.declared import DeclaredCode
from control_plane.common.schedules import Every, Nightly

APPS = (
    "api",
    "console",
    "portal",
    "data_requests",
    "compliance",
    "exports",
    "sharing",
    "retention",
    "clips",
    "ingest",
    "integrity",
    "recordings",
    "fleet",
    "identity",
    "administration",
    "storage",
    "keys",
    "people",
    "access",
    "plans",
    "tenancy",
    "accounts",
    "audit",
    "common",
)
"""From the top layer down: the order of INSTALLED_APPS, and of the subscriptions to an event."""


def declared(module: str) -> Iterator[ModuleType]:
    """Yields the module of this name of each app that has one, in the order of `APPS`."""
    for app in APPS:
        name = f"control_plane.{app}.{module}"
        # An import error inside the module must not look like a missing module.
        if find_spec(name) is not None:
            yield import_module(name)


def load_declarations() -> None:
    """Load the permissions, audit events and navigation of every app, then close the sets; idempotent.

    Call it before any model is loaded: modules read the complete sets when they are imported.
    """
    for name in ("permissions", "audit_events", "navigation"):
        for _ in declared(name):
            pass
    DeclaredCode.close_all()


def subscribe() -> None:
    """Subscribes every app to the events that it handles. Called once, when all models are loaded."""
    for _ in declared("subscriptions"):
        pass


def periodic_tasks() -> list[Every | Nightly]:
    """Returns the periodic tasks that the apps declare in `PERIODIC`."""
    return [task for module in declared("periodic") for task in module.PERIODIC]


def beat_schedule(nightly: Callable[[int], object]) -> dict[str, Any]:
    """Returns the schedule of Celery beat; `nightly` returns the schedule for a minute of the nightly hour.

    Raises:
        ValueError: two tasks have the same name, or the same minute of the night.
    """
    tasks = periodic_tasks()
    for taken in (
        [task.name for task in tasks],
        [task.minute for task in tasks if isinstance(task, Nightly)],
    ):
        if len(set(taken)) < len(taken):
            raise ValueError(f"two periodic tasks share a name or a minute of the night: {sorted(taken)}")
    return {
        task.name: {
            "task": task.task,
            "schedule": float(task.seconds) if isinstance(task, Every) else nightly(task.minute),
        }
        for task in tasks
    }
