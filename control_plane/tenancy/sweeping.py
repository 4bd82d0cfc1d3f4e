"""The round through all studios that a periodic task makes."""

import logging
from collections.abc import Callable
from uuid import UUID

from control_plane.common.errors import ControlPlaneError
from control_plane.tenancy.selectors import studio_ids

log = logging.getLogger(__name__)


class SweepIncomplete(ControlPlaneError):
    """A round did not do its work in every studio; the log says in which, and why."""


def each_studio(name: str, sweep: Callable[[UUID], object]) -> None:
    """Has `sweep` work in every studio. The trouble of one, such as a store that is away, keeps no other waiting.

    Args:
        name: of the round, for the log.

    Raises:
        SweepIncomplete: in the end, where it failed in some; the next round comes to them again.
    """
    ids, failed = studio_ids(name), 0
    for studio_id in ids:
        try:
            sweep(studio_id)
        except Exception:
            failed += 1
            log.exception("the %s failed in a studio", name, extra={"studio": str(studio_id)})
    if failed:
        raise SweepIncomplete(f"the {name} failed in {failed} of {len(ids)} studios")
