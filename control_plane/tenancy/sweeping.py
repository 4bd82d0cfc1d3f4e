"""Runs a periodic task in every studio."""

import logging
from collections.abc import Callable
from uuid import UUID

from control_plane.common.errors import ControlPlaneError
from control_plane.tenancy.selectors import studio_ids

log = logging.getLogger(__name__)


class SweepIncomplete(ControlPlaneError):
    """A sweep failed in some studios; the log says in which, and why."""


def for_each_studio(name: str, sweep: Callable[[UUID], object]) -> None:
    """Calls `sweep` for every studio. A failure in one, such as an unavailable store, does not stop the others.

    Args:
        name: name of the sweep, for the log.

    Raises:
        SweepIncomplete: after all studios, if some failed. The next sweep retries them.
    """
    ids, failed = studio_ids(name), 0
    for studio_id in ids:
        try:
            sweep(studio_id)
        except Exception:
            failed += 1
            log.exception("sweep failed in a studio", extra={"sweep": name, "studio": str(studio_id)})
    if failed:
        raise SweepIncomplete(f"the {name} failed in {failed} of {len(ids)} studios")
