"""ASGI application of the web process: Django for HTTP, the fleet's gateway for agents' websockets."""

import os
import resource
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")

import django

django.setup(set_prefix=False)

# The following imports need the apps loaded.
from control_plane.config.checks import refuse_unsafe_start  # noqa: E402
from control_plane.config.handler import Handler  # noqa: E402
from control_plane.fleet.gateway import gateway  # noqa: E402
from control_plane.fleet.server_time import with_server_time  # noqa: E402
from control_plane.ingest.gate import Gate  # noqa: E402
from shared.kernel.service import ServiceManager  # noqa: E402

LINK_PATH = "/agent/v1/link"
SWITCH_INTERVAL_S = 0.0005
"""How long Python lets one thread run while others want to. A request changes threads about ten times on its way
through the event loop and its statements. Beside a busy thread each change takes this long: at Python's 5 ms, 50 ms."""

refuse_unsafe_start()


def _raise_descriptor_limit() -> None:
    """Raises the limit of open sockets to the hard limit, because each linked agent needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(65_536, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_raise_descriptor_limit()
sys.setswitchinterval(SWITCH_INTERVAL_S)

_django = with_server_time(Gate(Handler()))
_gateway = with_server_time(gateway)

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Routes one connection by its type and path."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "websocket":
        if scope["path"] == LINK_PATH:
            await _gateway(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 4404})
    else:
        await _django(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    async with ServiceManager.of_this_process().attended():
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
