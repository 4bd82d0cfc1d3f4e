"""What an object store or a key refuses.

ControlPlaneError
├── Unavailable
│   └── StoreUnavailable     retry later: the store does not answer, or answers 5xx
├── StoreRefused             fatal: credentials, bucket or configuration are wrong; the hint says which
├── ObjectMissing            no object has this key
├── ObjectExists             an object has this key already; objects are immutable
├── ObjectMismatch           the bytes are not of the announced size or hash; nothing was kept
├── BadKey                   the key is not one that any store takes
└── KeyRefused               a wrapped key does not open: another key, another owner, or damaged
"""

from control_plane.common.errors import ControlPlaneError, StoreUnavailable
from shared.protocol.errors import Code

__all__ = [
    "BadKey",
    "KeyRefused",
    "ObjectExists",
    "ObjectMismatch",
    "ObjectMissing",
    "StoreRefused",
    "StoreUnavailable",
]


class StoreRefused(ControlPlaneError):
    """The store answers, and says no: an operator must mend credentials, bucket or address."""

    default_code = Code.STORE_UNAVAILABLE


class ObjectMissing(ControlPlaneError):
    """No object has this key."""

    default_code = Code.SEGMENT_MISSING


class ObjectExists(ControlPlaneError):
    """An object has this key already."""

    default_code = Code.CONFLICT


class ObjectMismatch(ControlPlaneError):
    """The bytes are not of the announced size or hash; the store keeps none of them."""

    default_code = Code.SEGMENT_CORRUPT


class BadKey(ControlPlaneError):
    """The key holds something other than `[A-Za-z0-9_-][A-Za-z0-9._-]*` between single slashes."""

    default_code = Code.BAD_REQUEST


class KeyRefused(ControlPlaneError):
    """A wrapped key does not open with this key for this owner."""
