"""Retention, a clip and an export of the demo studio."""

import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from control_plane.clips.models import Clip
from control_plane.clips.services import ClipFacts, make_clip
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.console.demo import DemoStudio, Facts
from control_plane.exports.downloads import open_download
from control_plane.exports.models import OPEN, Export, ExportState
from control_plane.exports.services import ExportFacts, request_export
from control_plane.recordings.models import ClassSession
from control_plane.recordings.selectors import class_timeline
from control_plane.retention.evaluator import RuleFact
from control_plane.retention.models import Preset, RetentionPolicy
from control_plane.retention.planning import plan_studio, preview, read_policy
from control_plane.retention.services import confirm_policy, save_rule
from shared.protocol.ids import new_id

RULE_DAYS, CLIP_S = 14, 4.0
NETWORK = "127.0.0.1"


def keep(demo: DemoStudio, class_id: str) -> Facts:
    """Decides retention as Alice, with a rule for the room and its preview, and makes a clip as Ivan. Idempotent.

    Raises:
        ControlPlaneError: a service refused.
    """
    admin, instructor = (Actor.user(demo.people[part].id) for part in ("admin", "instructor"))
    with studio_scope(demo.studio.id):
        if not RetentionPolicy.objects.exists():
            confirm_policy(demo.studio, preset=Preset.UK_EU, minors_days=7, adults_days=30, actor=admin)
        facts = read_policy()
        rule = RuleFact(new_id(), RULE_DAYS, room_id=demo.room.id)
        changed = preview(demo.studio, facts.with_rule(rule), actor=admin)
        save_rule(demo.studio, days=RULE_DAYS, room=demo.room, adults_only=False, actor=admin)
        plan = plan_studio(demo.studio)
        class_session = ClassSession.objects.get(pk=UUID(class_id))
        if not Clip.objects.filter(class_session=class_session).exists():
            length_s = class_timeline(class_session).duration_us / 1_000_000
            facts_of_clip = ClipFacts(0, min(CLIP_S, length_s), title="The first steps")
            make_clip(class_session, facts_of_clip, actor=instructor)
    schedule, now = settings.CELERY_BEAT_SCHEDULE["run-retention"]["schedule"], timezone.now()
    next_at = (now + schedule.remaining_estimate(now) + timedelta(seconds=1)).replace(second=0, microsecond=0)
    return {
        "retention": {
            "rule": {"days": RULE_DAYS, "room": demo.room.name, "changes": len(changed)},
            "next_run_at": next_at.isoformat(),
            "due": len(plan.due),
        }
    }


def request(demo: DemoStudio, class_id: str) -> Facts:
    """Requests an export of a class as Alice.

    Raises:
        ControlPlaneError: a service refused.
    """
    with studio_scope(demo.studio.id):
        class_session = ClassSession.objects.get(pk=UUID(class_id))
    made = request_export(class_session, ExportFacts(), actor=Actor.user(demo.people["admin"].id))
    return {"export_id": str(made.id)}


def export_progress(demo: DemoStudio, export_id: str) -> Facts:
    """Returns how far an export is: `is_open`, `percent`, and `failure` if it failed."""
    with studio_scope(demo.studio.id):
        row: Export = Export.objects.get(pk=UUID(export_id))
    failure = "" if row.state in (*OPEN, ExportState.READY) else str(row.get_failure_display() or row.state)
    return {"is_open": row.state in OPEN, "percent": row.percent, "failure": failure}


def save_export(demo: DemoStudio, export_id: str, folder: str) -> Facts:
    """Downloads an export as Alice into a folder, and returns its path and what is in it.

    Raises:
        ControlPlaneError: it may not be downloaded.
        OSError: the file cannot be written.
    """
    with studio_scope(demo.studio.id):
        row: Export = Export.objects.get(pk=UUID(export_id))
    download = open_download(row, actor=Actor.user(demo.people["admin"].id), address=NETWORK)
    path = Path(folder) / f"export-{export_id}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for chunk in download.chunks(0, download.export.size_bytes - 1):
            file.write(chunk)
    with zipfile.ZipFile(path) as package:
        names = package.namelist()
    return {"export": {"path": str(path), "files": names, "bytes": path.stat().st_size}}
