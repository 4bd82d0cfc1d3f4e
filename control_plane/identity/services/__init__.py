"""Writes of sign-in. Each requires access, changes, and records, in one transaction of the studio's scope."""

from control_plane.identity.services.signin import change_signin_policy

__all__ = [
    "change_signin_policy",
]
