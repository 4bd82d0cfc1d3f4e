"""The nightly integrity scan, of one studio after another."""

from collections.abc import Sequence
from uuid import UUID

from celery import shared_task

from control_plane.integrity.scan import check_tonight
from control_plane.tenancy.sweeping import each_studio


@shared_task
def sweep_checks() -> None:
    """Kicks tonight's check of the stores, of every studio; started by beat at night."""
    studios: list[UUID] = []
    each_studio("checks sweep", studios.append)
    _kick_check([str(studio) for studio in studios])


@shared_task
def check_footage(studio: str, then: Sequence[str] = ()) -> None:
    """Looks at tonight's part of a studio's footage; objects are read outside of any transaction, hence `studio`.

    `then` are the studios whose turn is next: a check takes long, and all at once would keep every worker from the sweeps.
    """
    try:
        check_tonight(UUID(studio))
    finally:
        _kick_check(then)


def _kick_check(studios: Sequence[str]) -> None:
    if studios:
        check_footage.delay(studio=studios[0], then=list(studios[1:]))
