"""Reads times of a class and cameras as forms send them."""

import re
from uuid import UUID

from control_plane.common.errors import BadRequest

_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):(\d{2}(?:\.\d{1,3})?)")


def seconds(text: str) -> float | None:
    """Returns a time such as 12:30 or 1:02:03.5 in seconds; None: it is empty.

    Raises:
        BadRequest: it cannot be read.
    """
    if not text.strip():
        return None
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise BadRequest("Write times as minutes and seconds, such as 12:30.")
    hours, minutes, part = found.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(part)


def camera_ids(texts: list[str]) -> list[UUID]:
    """Returns the ids of ticked cameras.

    Raises:
        BadRequest: one is no id.
    """
    try:
        return [UUID(text) for text in texts]
    except ValueError as error:
        raise BadRequest("A tick names no camera. Load the page again.") from error
