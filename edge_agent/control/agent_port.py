"""What the control plane's wishes are acted on with: the agent, as the link sees it."""

import logging
from collections.abc import Sequence
from typing import Protocol

from edge_agent.control.session import Candidate, Refusal, Repeated, Verdict
from shared.protocol.config import AgentConfig
from shared.protocol.ids import SegmentId
from shared.protocol.messages import SendingAgain
from shared.protocol.status import AgentStatus, Reported

log = logging.getLogger(__name__)


class AgentPort(Protocol):
    """What the link asks of the agent around it. None of it may block the event loop; `core.agent.Agent` is one."""

    def reported(self) -> Reported:
        """Returns which configuration is in force."""
        ...

    def status(self) -> AgentStatus:
        """Returns how the agent is now."""
        ...

    def submit_config(self, config: AgentConfig) -> None:
        """Takes the newest configuration, to be applied."""
        ...

    def refuse_config(self, version: int | None, error: str) -> None:
        """Notes a configuration that must not be applied."""
        ...

    async def requeue_segments(self, segment_ids: Sequence[SegmentId]) -> SendingAgain | None:
        """Has what is still here and good sent once more, and returns what is; None where the disk cannot tell now."""
        ...

    def revoke(self, jwt: str) -> None:
        """Takes a revocation, not verified yet."""
        ...


def apply_verdict(agent: AgentPort, judgement: Verdict) -> bool:
    """Has `agent` do what was judged of a configuration; returns whether to report at once."""
    match judgement:
        case Candidate():
            agent.submit_config(judgement.config)
            return False
        case Refusal():
            level = logging.ERROR if judgement.alarm else logging.WARNING
            log.log(level, "a configuration is refused", extra={"error": judgement.error})
            agent.refuse_config(judgement.version, judgement.error)
            return True
        case Repeated():
            return True
