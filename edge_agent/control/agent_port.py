"""The agent's operations that the control link uses."""

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
    """The agent as the link sees it. No call may block the event loop; implemented by `core.agent.Agent`."""

    def reported(self) -> Reported:
        """Returns which configuration is in force."""
        ...

    def status(self) -> AgentStatus:
        """Returns the current status."""
        ...

    def submit_config(self, config: AgentConfig) -> None:
        """Submits the newest configuration, to be applied."""
        ...

    def refuse_config(self, version: int | None, error: str) -> None:
        """Records a configuration that must not be applied."""
        ...

    async def requeue_segments(self, segment_ids: Sequence[SegmentId]) -> SendingAgain | None:
        """Requeues segments that are still intact on the disk and returns which; None if the disk cannot be read now."""
        ...

    def revoke(self, jwt: str) -> None:
        """Handles a revocation whose signature is not verified yet."""
        ...


def apply_verdict(agent: AgentPort, judgement: Verdict) -> bool:
    """Applies a verdict on a configuration; returns whether to report at once."""
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
