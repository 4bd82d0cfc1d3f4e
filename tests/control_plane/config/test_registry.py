"""The registry of apps: a new app is one line in it, one among the addresses, and its own folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from control_plane.common.models import STUDIO_ONLY, AccessPath
from control_plane.common.schedules import Every, Nightly
from control_plane.config import declarations, registry
from control_plane.recordings.models import Gap
from tests.repo.tracked import ROOT, with_suffix

SHARING = {
    "__init__.py": "",
    "apps.py": '''"""Registers the app."""

from django.apps import AppConfig


class SharingConfig(AppConfig):
    """Links to classes."""

    name = "control_plane.sharing"
    label = "sharing"
''',
    "events.py": '''"""Events of sharing."""

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
    "subscriptions.py": '''"""Events of other apps that sharing handles."""

from control_plane.recordings.events import ClassShredded
from control_plane.sharing.services import forget_links

ClassShredded.subscribe(forget_links)
''',
    "periodic.py": '''"""Periodic tasks of sharing."""

from control_plane.common.schedules import Nightly

PERIODIC = (Nightly("end-links", "control_plane.sharing.tasks.end_links", minute=55),)
''',
    "tasks.py": '''"""Jobs of sharing."""

from celery import shared_task


@shared_task
def end_links() -> None:
    """Ends the links that are due."""
''',
    "urls.py": '''"""Addresses of sharing."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def show(request: HttpRequest) -> HttpResponse:
    """Shows a link."""
    return HttpResponse()


urlpatterns = [path("l/", show, name="shared")]
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
from control_plane.sharing import services
assert [message for message in run_checks() if message.is_serious()] == []
assert apps.get_app_config("sharing").name == "control_plane.sharing"
assert app.conf.beat_schedule["end-links"]["schedule"].minute == {55}
assert reverse("shared") == "/l/"
assert services.forget_links in ClassShredded._handlers
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
    for name, text in SHARING.items():
        target = tmp_path / "control_plane" / "sharing" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    config = tmp_path / "control_plane" / "config"
    _line_added(config / "registry.py", '    "ingest",\n', '    "sharing",\n')
    portal = '    path("", include("control_plane.portal.urls")),\n'
    _line_added(config / "urls.py", portal, '    path("", include("control_plane.sharing.urls")),\n')
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
        *(f"control_plane/sharing/{name}" for name in SHARING),
    }


def test_every_declaration_of_the_product_holds() -> None:
    assert declarations.check_models() == []
    assert declarations.check_periodic_tasks() == []
    assert declarations.check_permissions() == []
    assert declarations.check_audit_events() == []


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
