"""What an update asks of the agent around it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from edge_agent.api import ControlPlaneApi
from edge_agent.control.config_store import ConfigStore
from edge_agent.control.polling import REPORT_PATH
from edge_agent.update.quiet import is_quiet
from edge_agent.update.watch import Updates, updates_of
from shared import __version__
from shared.kernel.clock import ServerClock
from shared.protocol.messages import Heartbeat
from shared.protocol.status import AgentStatus


def make_updates(
    state: Path,
    api: ControlPlaneApi,
    *,
    store: ConfigStore,
    time: ServerClock,
    status: Callable[[], AgentStatus],
    is_allowed: Callable[[], bool],
    pace: Callable[[int], Awaitable[None]],
) -> Updates | None:
    """Returns the updates of this box, None where its package brings no keys. The rest is as `Updates` has it."""

    async def say_alive() -> None:
        # By HTTP: the websocket's heartbeats are not answered.
        await api.post_for_nothing(REPORT_PATH, Heartbeat(status=status()))

    def nothing_is_near() -> bool:
        if store.candidate is not None:
            return False  # a configuration is on probation
        body = store.applied.body if store.applied else None
        return is_quiet(body, status().recordings, time.now())

    return updates_of(
        state,
        api,
        version=__version__,
        say_alive=say_alive,
        is_allowed=is_allowed,
        is_quiet=nothing_is_near,
        pace=pace,
    )
