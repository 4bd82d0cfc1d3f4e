"""Periodic tasks of people."""

from control_plane.common.schedules import Every

PERIODIC = (
    Every("send-consent-mails", "control_plane.people.tasks.send_consent_mails", seconds=60),
    Every("tell-families-of-age", "control_plane.people.tasks.tell_families_of_age", seconds=3600),
)
