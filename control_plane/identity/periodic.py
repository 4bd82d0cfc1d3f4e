"""Periodic tasks of identity."""

from control_plane.common.schedules import Nightly

PERIODIC = (
    Nightly(
        "end-unconfirmed-memberships", "control_plane.identity.tasks.end_unconfirmed_memberships", minute=15
    ),
    Nightly("recheck-domains", "control_plane.identity.tasks.recheck_domains", minute=20),
)
