"""Errors of keys.

ControlPlaneError
├── Unavailable
│   └── KeysUnavailable      retry later: the root key or the key share store does not answer
└── KeyRefused               a wrapped key does not open: another key, another owner, or damaged
    ├── RootRefused          the holder of the root key refuses: wrong token, policy or name; the message says which
    ├── KeyLost              the share store has no such share: lost, or never there
    └── KeyDestroyed         the key was destroyed on purpose; nothing brings it back
"""

import logging

from control_plane.common.errors import ControlPlaneError, Unavailable
from shared.protocol.errors import Code, Problem, problem

log = logging.getLogger(__name__)

PLAIN = "The keys of this installation cannot be used now. Its operator finds the reason in the logs."
"""Text for viewers and agents. The detail names folders, hosts and policies, so only the log has it."""


class KeyRefused(ControlPlaneError):
    """A wrapped key does not open with this key and for this owner."""

    def problem(self, instance: str = "") -> Problem:
        """Returns the problem without the detail, which is logged."""
        log.error("wrapped key does not open", exc_info=self, extra={"request_id": instance})
        return problem(self.code, PLAIN, instance=instance)


class KeysUnavailable(Unavailable):
    """The root key or the key share store does not answer now."""

    def problem(self, instance: str = "") -> Problem:
        """Returns the problem without the detail, which is logged."""
        log.warning("keys unavailable", extra={"request_id": instance, "why": self.detail})
        return problem(self.code, PLAIN, instance=instance)


class RootRefused(KeyRefused):
    """The holder of the root key refuses; an operator must correct its token, policy, name or address."""

    default_code = Code.UNAVAILABLE


class KeyLost(KeyRefused):
    """The store has neither the share nor a mark of its destruction: it was lost, or belongs to another installation."""

    default_code = Code.UNAVAILABLE


class KeyDestroyed(KeyRefused):
    """The key was destroyed on purpose."""

    default_code = Code.FOOTAGE_DESTROYED

    def problem(self, instance: str = "") -> Problem:
        """Returns the problem with its detail, which everybody may read."""
        return problem(self.code, self.detail, instance=instance)
