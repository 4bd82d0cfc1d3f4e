"""The attacks by name. Each runs until it is cancelled, and says through its `Course` when it is under way."""

from collections.abc import Callable, Coroutine
from typing import Any

from tests.bench.hostile import connections, tenant
from tests.bench.hostile.course import Course
from tests.bench.hostile.ground import Ground

Attack = Callable[[Ground, Course], Coroutine[Any, Any, None]]

ATTACKS: dict[str, Attack] = {
    "headers": connections.endless_headers,
    "half-sent": connections.half_sent,
    "bodies": connections.held_bodies,
    "playlists": tenant.playlists,
    "init": tenant.init_sections,
    "commits": tenant.commits,
    "uploads": tenant.uploads,
    "intents": tenant.intents,
    "gaps": tenant.gaps,
    "heartbeats": tenant.heartbeats,
    "pages": tenant.pages,
}
