"""Errors of keys.

ControlPlaneError
├── Unavailable
│   └── KeysUnavailable      retry later: the holder of the root key, or the key shelf, does not answer
└── KeyRefused               a wrapped key does not open: another key, another owner, or damaged
    ├── RootRefused          the holder of the root key refuses: token, policy or name are wrong; the hint says which
    ├── KeyLost              the shelf has never had this entry, or has lost it
    └── KeyDestroyed         it was destroyed on purpose; nothing brings it back
"""

import logging

from control_plane.common.errors import ControlPlaneError, Unavailable
from shared.protocol.errors import Code, Problem, problem

log = logging.getLogger(__name__)

PLAIN = "The keys of this installation cannot be used now. Its operator finds the reason in the logs."
"""Text for viewers and agents. The detail names folders, hosts and policies, and is for the operator only."""


class KeyRefused(ControlPlaneError):
    """A wrapped key does not open with this key for this owner."""

    def problem(self, instance: str = "") -> Problem:
        """Returns the answer's body; the detail goes to the log."""
        log.error("a key does not open", exc_info=self, extra={"request_id": instance})
        return problem(self.code, PLAIN, instance=instance)


class KeysUnavailable(Unavailable):
    """The holder of the root key, or the key shelf, does not answer now."""

    def problem(self, instance: str = "") -> Problem:
        """Returns the answer's body; the detail goes to the log."""
        log.warning("keys cannot be had", extra={"request_id": instance, "why": self.detail})
        return problem(self.code, PLAIN, instance=instance)


class RootRefused(KeyRefused):
    """The holder of the root key answers, and says no: an operator must mend token, policy, name or address."""

    default_code = Code.UNAVAILABLE


class KeyLost(KeyRefused):
    """The shelf has no entry and no mark of one that was destroyed: it was lost, or is another installation's."""

    default_code = Code.UNAVAILABLE


class KeyDestroyed(KeyRefused):
    """The key was destroyed on purpose."""

    default_code = Code.FOOTAGE_DESTROYED

    def problem(self, instance: str = "") -> Problem:
        """Returns the answer's body, whose detail is for everybody."""
        return problem(self.code, self.detail, instance=instance)
