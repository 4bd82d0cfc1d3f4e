"""Periodic tasks of compliance."""

from control_plane.common.schedules import Every

PERIODIC = (
    Every("take-checkpoint", "control_plane.compliance.tasks.take_checkpoint", seconds=300),
    Every("detect-anomalies", "control_plane.compliance.tasks.detect_anomalies_everywhere", seconds=60),
)
