"""The registry of apps: a new app is one line in it, one among the addresses, and its own folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from control_plane.common.models import STUDIO_ONLY, AccessPath
from control_plane.common.roles import Role
from control_plane.common.schedules import Every, Nightly
from control_plane.config import declarations, registry
from control_plane.portal.navigation import ROOMS
from control_plane.recordings.models import Gap
from control_plane.recordings.permissions import ANNOTATE, SHARE
from control_plane.tenancy.permissions import MANAGE_PEOPLE
from tests.repo.tracked import ROOT, with_suffix

POSTCARDS = {
    "__init__.py": "",
    "apps.py": '''"""Registers the app."""

from django.apps import AppConfig


class PostcardsConfig(AppConfig):
    """Links to classes."""

    name = "control_plane.postcards"
    label = "postcards"
''',
    "events.py": '''"""Events of postcards."""

from dataclasses import dataclass
from uuid import UUID

from control_plane.common.events import Event


@dataclass(frozen=True)
class LinkOpened(Event):
    """Somebody opened a link."""

    link_id: UUID
''',
    "services.py": '''"""Writes of links."""

from control_plane.recordings.events import ClassShredded

FORGOTTEN = []


def forget_links(event: ClassShredded) -> None:
    """Deletes the links to a destroyed class."""
    FORGOTTEN.append(event.class_session_id)
''',
    "subscriptions.py": '''"""Events of other apps that postcards handles."""

from control_plane.recordings.events import ClassShredded
from control_plane.postcards.services import forget_links

ClassShredded.subscribe(forget_links)
''',
    "periodic.py": '''"""Periodic tasks of postcards."""

from control_plane.common.schedules import Nightly

PERIODIC = (Nightly("end-links", "control_plane.postcards.tasks.end_links", minute=55),)
''',
    "tasks.py": '''"""Jobs of postcards."""

from celery import shared_task


@shared_task
def end_links() -> None:
    """Ends the links that are due."""
''',
    "urls.py": '''"""Addresses of postcards."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def show(request: HttpRequest) -> HttpResponse:
    """Shows a link."""
    return HttpResponse()


def manage(request: HttpRequest, slug: str) -> HttpResponse:
    """Lists the links of a studio."""
    return HttpResponse()


urlpatterns = [
    path("l/", show, name="shared"),
    path("studio/<slug:slug>/links/", manage, name="links"),
]
''',
    "permissions.py": '''"""Permissions of postcards."""

from control_plane.common.permissions import ON_CLASSES, SHARING, StudioPermission
from control_plane.common.roles import Role
from control_plane.recordings.permissions import SHARE, VIEW_CLASS, REPLAY

MANAGE_LINKS = StudioPermission(
    "manage_links",
    label="Manage links",
    meaning="End the links that others created.",
    order=135,
    group=SHARING,
    available_to=frozenset({Role.INSTRUCTOR}),
    needs=frozenset({VIEW_CLASS, REPLAY, SHARE}),
    grantable_on=ON_CLASSES,
)
''',
    "audit_events.py": '''"""Audit events of postcards."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

LINK_OPENED = AuditEvent(
    "link.opened",
    "A link to a class was opened.",
    category=Category.FOOTAGE,
    sentence="{who} opened a link to {what}",
    severity=Severity.SERIOUS,
    is_read=True,
    footage_access="opened a link",
    takes_data_out=True,
    rate=Rate(60, 120),
)
''',
    "navigation.py": '''"""Navigation of postcards."""

from control_plane.common.navigation import NavigationEntry
from control_plane.postcards.permissions import MANAGE_LINKS

LINKS = NavigationEntry("studio.links", label="Links", url_name="links", order=35, permission=MANAGE_LINKS)
''',
}
STARTS = """
import django
django.setup()
from django.apps import apps
from django.conf import settings
from django.core.checks import run_checks
from django.urls import reverse
from control_plane.config.celery import app
from control_plane.recordings.events import ClassShredded
from control_plane.postcards import services
assert [message for message in run_checks() if message.is_serious()] == []
assert apps.get_app_config("postcards").name == "control_plane.postcards"
assert app.conf.beat_schedule["end-links"]["schedule"].minute == {55}
assert reverse("shared") == "/l/"
assert services.forget_links in ClassShredded._handlers
from control_plane.access import roles
from control_plane.access.object_permissions import permission_name
from control_plane.audit.events import described
from control_plane.common.roles import Role
from control_plane.compliance.footage_access_report import _VIEW_EVENTS
from control_plane.plans.rate_limits import RATES
from control_plane.portal.access import presenter, role_table
from control_plane.portal.audit.views import SearchForm
from control_plane.portal import menus
from control_plane.postcards.audit_events import LINK_OPENED
from control_plane.postcards.permissions import MANAGE_LINKS
assert [role for role in Role if MANAGE_LINKS in roles.LIMITS[role]] == [Role.ADMIN, Role.INSTRUCTOR]
assert permission_name(MANAGE_LINKS, "recordings.ClassSession") == "manage_links_classsession"
titles = {title: [row.title for row in rows] for title, rows in role_table.grid(roles.DEFAULTS)}
assert titles["Sharing and export"] == ["Make clips", "Share classes", "Manage links", "Export classes"]
assert ("manage_links", "manage links") in presenter.choices_on("tenancy.Room")
assert described("link.opened").text.format(who="Vera", what="Ballet") == "Vera opened a link to Ballet"
assert ("link.opened", "A link to a class was opened") in SearchForm.base_fields["action"].choices
assert "link.opened" in _VIEW_EVENTS
assert LINK_OPENED in RATES
assert [item.label for item in menus.studio_menu("bow", {"manage_links"}, "links")] == ["Classes", "Rooms", "Links"]
assert [item.is_here for item in menus.studio_menu("bow", {"manage_links"}, "links")] == [False, False, True]
assert "Links" not in [item.label for item in menus.studio_menu("bow", {"view_agents"}, "")]
"""


def _line_added(path: Path, before: str, line: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, line + before))


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_a_new_app_touches_its_own_folder_and_two_lines(tmp_path: Path) -> None:
    for path in with_suffix("", ".py", ".toml", ".html", ".txt", ".css", ".json"):
        if path.parts[0] in ("control_plane", "shared", "pyproject.toml"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, tmp_path / path)
    before = _contents(tmp_path)
    for name, text in POSTCARDS.items():
        target = tmp_path / "control_plane" / "postcards" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    config = tmp_path / "control_plane" / "config"
    _line_added(config / "registry.py", '    "ingest",\n', '    "postcards",\n')
    portal = '    path("", include("control_plane.portal.urls")),\n'
    _line_added(config / "urls.py", portal, '    path("", include("control_plane.postcards.urls")),\n')
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "control_plane.config.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", STARTS], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    after = _contents(tmp_path)
    changed = {name for name in after if before.get(name) != after[name]}
    assert before.keys() <= after.keys()
    assert changed == {
        "control_plane/config/registry.py",
        "control_plane/config/urls.py",
        *(f"control_plane/postcards/{name}" for name in POSTCARDS),
    }


def test_every_declaration_of_the_product_holds() -> None:
    assert declarations.check_models() == []
    assert declarations.check_periodic_tasks() == []
    assert declarations.check_permissions() == []
    assert declarations.check_audit_events() == []
    assert declarations.check_navigation() == []


@pytest.mark.parametrize(
    ("permission", "path", "fault"),
    [
        pytest.param("", STUDIO_ONLY, "has no view_permission", id="none"),
        pytest.param("see_all", STUDIO_ONLY, "'see_all'", id="one that is not there"),
        pytest.param("view_class", None, "has no access_path", id="no path"),
        pytest.param("view_class", AccessPath(to_class="lesson_id"), "'lesson_id'", id="no such column"),
        pytest.param("view_class", AccessPath(to_room="class_session__hall_id"), "hall_id", id="nor there"),
        pytest.param(
            "view_class", AccessPath(to_room="reason__room_id"), "reason__room_id", id="no relation"
        ),
    ],
)
def test_a_model_that_declares_too_little_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, permission: str, path: AccessPath | None, fault: str
) -> None:
    assert list(declarations.model_faults(Gap)) == []
    monkeypatch.setattr(Gap, "view_permission", permission)
    monkeypatch.setattr(Gap, "access_path", path)
    assert [fault in message.msg for message in declarations.check_models()] == [True]


def test_a_periodic_task_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Every("x", "control_plane.fleet.tasks.sweep_nothing", seconds=60)
    no_task = Every("y", "control_plane.fleet.tasks.studio_scope", seconds=60)
    monkeypatch.setattr(registry, "periodic_tasks", lambda: [nowhere, no_task])
    assert [message.id for message in declarations.check_periodic_tasks()] == ["threedance.E021"] * 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Nightly("b", "t", minute=5), id="a minute of the night"),
        pytest.param(Every("a", "t", seconds=60), id="a name"),
    ],
)
def test_two_periodic_tasks_share_no_name_and_no_minute(monkeypatch: pytest.MonkeyPatch, other: Any) -> None:
    monkeypatch.setattr(registry, "periodic_tasks", lambda: [Nightly("a", "t", minute=5), other])
    with pytest.raises(ValueError, match="share"):
        registry.beat_schedule(lambda minute: minute)


def test_an_interval_is_an_hour_at_most() -> None:
    with pytest.raises(ValueError, match="Nightly"):
        Every("slow", "t", seconds=3601)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        pytest.param({"label": ""}, "has no label", id="no label"),
        pytest.param({"meaning": "Something"}, "no sentence", id="no sentence"),
        pytest.param({"group": None}, "needs a group", id="no group"),
        pytest.param({"always": frozenset({Role.GUARDIAN})}, "do not have it by default", id="floor"),
        pytest.param({"grantable_on": frozenset({"dance.Hall"})}, "dance.Hall", id="no model"),
        pytest.param({"needs": frozenset({SHARE})}, f"needs {SHARE}, but not", id="indirect need"),
        pytest.param(
            {"needs": frozenset({MANAGE_PEOPLE})}, "is in break-glass access without", id="break-glass"
        ),
        pytest.param({"needs": frozenset({MANAGE_PEOPLE})}, "is grantable on", id="grantable"),
        pytest.param({"needs": frozenset({MANAGE_PEOPLE})}, "is a default of", id="default"),
        pytest.param({"needs": frozenset({MANAGE_PEOPLE})}, "is available to", id="available"),
    ],
)
def test_a_permission_that_does_not_fit_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], fault: str
) -> None:
    for name, value in changes.items():
        monkeypatch.setitem(ANNOTATE.__dict__, name, value)
    found = [message.msg for message in declarations.check_permissions()]
    assert [message for message in found if f"the permission {ANNOTATE}" in message and fault in message]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        pytest.param({"url_name": "portal:ballroom"}, "no page of a studio", id="no page"),
        pytest.param({"code": "footer.rooms"}, "not named after a menu", id="no menu"),
    ],
)
def test_a_link_that_leads_nowhere_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], fault: str
) -> None:
    for name, value in changes.items():
        monkeypatch.setitem(ROOMS.__dict__, name, value)
    assert [fault in message.msg for message in declarations.check_navigation()] == [True]
