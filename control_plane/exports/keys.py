"""Why exports open keys."""

from control_plane.exports.audit_events import EXPORT_DOWNLOADED, EXPORT_STARTED
from control_plane.keys.vault import Purpose
from control_plane.recordings.permissions import EXPORT

EXPORT_KEYS = Purpose("export", EXPORT, frozenset({EXPORT_STARTED, EXPORT_DOWNLOADED}), audited_before=True)
