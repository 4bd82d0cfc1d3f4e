"""Writes of sign-in. Each requires access, changes the rows and records the change, in one transaction."""

from control_plane.identity.services.signin import change_signin_policy

__all__ = [
    "change_signin_policy",
]
