"""Periodic tasks of identity."""

from control_plane.common.schedules import Nightly

PERIODIC = (
    Nightly(
        "end-unconfirmed-memberships", "control_plane.identity.tasks.end_unconfirmed_memberships", minute=15
    ),
    Nightly("look-at-proven-domains", "control_plane.identity.tasks.look_at_proven_domains", minute=20),
)
