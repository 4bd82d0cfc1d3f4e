"""The real site on a real port, with the cast, a furnished studio and a browser."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from playwright._impl._api_structures import SetCookieParam
from playwright.sync_api import Browser, BrowserContext

from control_plane.accounts.models import User
from tests.control_plane.conftest import Cast, _own_keys, committed
from tests.control_plane.portal.conftest import FurnishedStudio, furnish
from tests.web.browser import chromium

__all__ = ["_own_keys", "committed"]
# Playwright's synchronous interface keeps a loop in this thread; the database is used between its calls, never within.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
SignIn = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the module."""
    # While Playwright's loop runs, this thread has other connections; one left open here would meet a renewed database.
    connections.close_all()
    with chromium() as browser:
        yield browser


@pytest.fixture
def site(committed: Cast, live_server: Any, settings: Any) -> FurnishedStudio:
    """The cast's studio, furnished and served."""
    settings.PUBLIC_URL = live_server.url
    return furnish(committed)


@pytest.fixture
def sign_in(browser: Browser) -> Iterator[SignIn]:
    """Opens a browser window on an address, in which a person is signed in (None: nobody)."""
    contexts: list[BrowserContext] = []

    def enter(address: str, user: User | None, **options: Any) -> BrowserContext:
        context = browser.new_context(base_url=address, **options)
        contexts.append(context)
        if user is not None:
            session = SessionStore()
            session[SESSION_KEY] = str(user.pk)
            session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
            session[HASH_SESSION_KEY] = user.get_session_auth_hash()
            session.save()
            cookie = SetCookieParam(
                name=django_settings.SESSION_COOKIE_NAME, value=str(session.session_key), url=address
            )
            context.add_cookies([cookie])
        return context

    yield enter
    for context in contexts:
        context.close()
