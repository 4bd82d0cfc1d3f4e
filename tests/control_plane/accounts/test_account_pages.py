"""Every page of an account answers, whatever the account can be entered with and however old its sign-in is."""

from datetime import timedelta

import pytest
import time_machine
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.accounts.services import create_signin_link
from control_plane.accounts.urls import urlpatterns
from tests.control_plane.accounts.test_factors import KEY
from tests.control_plane.accounts.test_sessions import HTML, PASSWORD
from tests.control_plane.conftest import SETUP, Cast

BACKEND = "django.contrib.auth.backends.ModelBackend"
PAGES = [
    reverse(str(pattern.name))
    for pattern in urlpatterns
    if not pattern.pattern.converters and not pattern.pattern.regex.groups
]


def signed_in(user: User) -> Client:
    """Returns a client that a one-time link has just signed in, as after `studio create`."""
    client = Client(headers=HTML)
    link = create_signin_link(user, actor=SETUP)
    client.post("/accounts/link/", {"token": link.partition("token=")[2]})
    return client


@pytest.mark.parametrize("minutes", [0, 6])
@pytest.mark.parametrize("held", ["nothing", "password", "factor", "password and factor"])
def test_every_account_page_answers(cast: Cast, held: str, minutes: int) -> None:
    """`django-allauth` 65.22 offered reauthentication by a page that is not in our list, and answered 500."""
    cache.clear()
    client = signed_in(cast.sam)
    if "password" in held:
        cast.sam.set_password(PASSWORD)
        cast.sam.save()
        client.force_login(cast.sam, BACKEND)
    if "factor" in held:
        TOTP.activate(cast.sam, KEY)
        RecoveryCodes.activate(cast.sam)
    with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
        for page in PAGES:
            assert client.get(page).status_code in (200, 302, 403, 404, 405), page
            client.force_login(cast.sam, BACKEND)
