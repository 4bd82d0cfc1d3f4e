"""HTTP replacement of the websocket while it is down: fetches the configuration, posts reports and heartbeats."""

import asyncio
import logging

import msgspec

from edge_agent.api import ControlPlaneApi
from edge_agent.async_wait import Sleep, wait_for_any
from edge_agent.control.agent_port import AgentPort, apply_verdict
from edge_agent.control.session import ConfigFilter
from edge_agent.errors import AgentRevoked, AuthenticationRefused, ServerError
from shared.kernel.logs import FailureLog
from shared.protocol.messages import Heartbeat, Report
from shared.protocol.status import status_for_version
from shared.protocol.version import OLDEST_VERSION

log = logging.getLogger(__name__)

CONFIG_PATH = "/agent/v1/config"
REPORT_PATH = "/agent/v1/report"

POLL_S = 15.0
QUIET_S = 0.5
SLOW_S = 60.0
"""After a 401 or 403, which an early retry does not change."""


class Polling:
    """One task of the link. `run` works while `down` is set and sleeps otherwise.

    The first success after a failure sets `link_retry`, so that the websocket reconnects without waiting out its backoff.
    """

    def __init__(
        self,
        api: ControlPlaneApi,
        agent: AgentPort,
        config_filter: ConfigFilter,
        *,
        down: asyncio.Event,
        link_retry: asyncio.Event,
        sleep: Sleep,
    ) -> None:
        self._api = api
        self._agent = agent
        self._config_filter = config_filter
        self._down = down
        self._link_retry = link_retry
        self._sleep = sleep
        self._etag: str | None = None
        self.peer = OLDEST_VERSION
        """The control plane's last known wire version; only a websocket tells it."""
        self._is_failing = False
        self._failures = FailureLog(log, "polling the control plane by HTTP fails too")

    async def run(self, *news: asyncio.Event) -> None:
        """Polls while the websocket is down: at once, at each of `news`, and every `POLL_S` seconds."""
        while True:
            await self._down.wait()
            for event in news:
                event.clear()
            try:
                await self._poll()
            except AgentRevoked as revoked:
                self._agent.revoke(revoked.revocation)
            except ServerError as error:
                self._is_failing = True
                self._failures.failed(error=str(error))
                if isinstance(error, AuthenticationRefused):
                    await self._sleep(SLOW_S)
            else:
                if self._is_failing:
                    self._link_retry.set()
                self._is_failing = False
                self._failures.recovered()
            await wait_for_any(*news, most_s=POLL_S, sleep=self._sleep)
            await self._sleep(QUIET_S)

    async def _poll(self) -> None:
        answer = await self._api.get(CONFIG_PATH, msgspec.Raw, etag=self._etag)
        if answer is not None:
            document, self._etag = answer
            apply_verdict(self._agent, self._config_filter.check_bytes(bytes(document)))
        await self._api.post_for_nothing(REPORT_PATH, Report(reported=self._agent.reported()))
        status = status_for_version(self.peer, self._agent.status())
        await self._api.post_for_nothing(REPORT_PATH, Heartbeat(status=status))
