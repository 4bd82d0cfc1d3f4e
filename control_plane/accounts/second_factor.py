"""Tells whether an account has a second factor."""

from allauth.mfa.models import Authenticator

from control_plane.accounts.models import User

SECOND_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_second_factor(user: User) -> bool:
    """Returns whether an account has a passkey, a security key or an authenticator app."""
    return Authenticator.objects.filter(user=user, type__in=SECOND_FACTORS).exists()
