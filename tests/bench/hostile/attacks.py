"""The attacks by name. Each runs until it is cancelled, and says through its `Course` when it is under way."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from tests.bench.hostile import connections, tenant
from tests.bench.hostile.course import Course
from tests.bench.hostile.ground import Ground

AGAIN_S = 0.5
Attack = Callable[[Ground, Course], Coroutine[Any, Any, None]]


async def nothing(ground: Ground, course: Course) -> None:
    """Does nothing: the ratios beside it are what the machine's other work makes of them."""
    course.begun.set()
    await asyncio.Event().wait()


async def everything(ground: Ground, course: Course) -> None:
    """Does at once what strangers, an admin and an agent can do."""

    async def again_and_again(attack: Attack) -> None:
        # Attacks are in each other's way: what one needs to begin may be refused because of another.
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                await attack(ground, course)
            course.facts[f"{attack.__name__} begun again"] += 1
            await asyncio.sleep(AGAIN_S)

    async with asyncio.TaskGroup() as attacks:
        for attack in (
            connections.endless_headers,
            connections.held_bodies,
            tenant.playlists,
            tenant.init_sections,
            tenant.uploads,
            tenant.intents,
            tenant.heartbeats,
            tenant.pages,
        ):
            attacks.create_task(again_and_again(attack))


ATTACKS: dict[str, Attack] = {
    "nothing": nothing,
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
    "everything": everything,
}
