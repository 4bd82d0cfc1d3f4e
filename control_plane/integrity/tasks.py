"""The nightly integrity scan, of one studio after another."""

from collections.abc import Sequence
from uuid import UUID

from celery import shared_task

from control_plane.integrity.scan import run_nightly_scan
from control_plane.tenancy.sweeping import for_each_studio


@shared_task
def start_nightly_scans() -> None:
    """Starts tonight's integrity scan of every studio, one after the other; run by beat at night."""
    studios: list[UUID] = []
    for_each_studio("integrity scan", studios.append)
    _start_scan([str(studio) for studio in studios])


@shared_task
def scan_footage(studio: str, then: Sequence[str] = ()) -> None:
    """Scans tonight's part of a studio's footage. Objects are read outside of any transaction, hence `studio`.

    `then` lists the studios that follow: scans are slow, and all at once would keep every worker from the sweeps.
    """
    try:
        run_nightly_scan(UUID(studio))
    finally:
        _start_scan(then)


def _start_scan(studios: Sequence[str]) -> None:
    if studios:
        scan_footage.delay(studio=studios[0], then=list(studios[1:]))
