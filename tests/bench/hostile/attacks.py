"""The attacks by name. Each runs until it is cancelled, and says through its `Course` when it is under way."""

from collections.abc import Callable, Coroutine
from typing import Any

from tests.bench.hostile import connections
from tests.bench.hostile.course import Course
from tests.bench.hostile.ground import Ground

Attack = Callable[[Ground, Course], Coroutine[Any, Any, None]]

ATTACKS: dict[str, Attack] = {
    "headers": connections.endless_headers,
    "half-sent": connections.half_sent,
    "bodies": connections.held_bodies,
}
