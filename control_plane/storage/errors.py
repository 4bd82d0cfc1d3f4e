"""Errors of object stores.

ControlPlaneError
├── Unavailable
│   └── StoreUnavailable     retry later: the store does not answer, or answers 5xx
├── StoreRefused             fatal: credentials, bucket or configuration are wrong; the hint says which
├── ObjectMissing            no object has this key
├── ObjectExists             an object has this key already; objects are immutable
├── ObjectMismatch           the bytes are not of the announced size or hash; nothing was kept
└── BadKey                   the key is not valid in every store

StoreUnavailable, StoreRefused and ObjectMismatch are defined in `common.errors`: `common.limited_http` raises them.
"""

from control_plane.common.errors import (
    ControlPlaneError,
    ObjectMismatch,
    StoreRefused,
    StoreUnavailable,
)
from shared.protocol.errors import Code

__all__ = [
    "BadKey",
    "ObjectExists",
    "ObjectMismatch",
    "ObjectMissing",
    "StoreRefused",
    "StoreUnavailable",
]


class ObjectMissing(ControlPlaneError):
    """No object has this key."""

    default_code = Code.SEGMENT_MISSING


class ObjectExists(ControlPlaneError):
    """An object has this key already."""

    default_code = Code.CONFLICT


class BadKey(ControlPlaneError):
    """The key is not a sequence of `[A-Za-z0-9_-][A-Za-z0-9._-]*` separated by single slashes."""

    default_code = Code.BAD_REQUEST
