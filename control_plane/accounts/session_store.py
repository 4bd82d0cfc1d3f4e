"""Sessions: of people who are signed in as rows, of everybody else for an hour in the cache.

Anybody can have a session made, by going to a provider or asking for a passkey's challenge: as rows they would fill the
database. A row is read by one statement that is not put together anew at each request.
"""

import re
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import CreateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.models import Session
from django.utils import timezone
from redis import RedisError

from control_plane.accounts.pending import Pending
from control_plane.common.rows import one

ANONYMOUS = Pending("session", most=8000, largest_chars=4096, lifetime_s=3600)
"""At most 32 MB of the 256 that the cache has."""
_OURS = re.compile("[a-z0-9]{32}")


class SessionStore(db.SessionStore):
    """Django's own, in everything but where a session is kept. The name is part of what it is signed with."""

    _is_pending = False

    def load(self) -> dict[str, Any]:
        """Returns what the session holds; nothing where there is no such session."""
        key = self.session_key
        found = self._get_session_from_db()
        if found is not None:
            return self.decode(found.session_data)
        try:
            # The key is what a cookie says: one of any other form is not ours.
            pending = ANONYMOUS.get(key) if key and _OURS.fullmatch(key) else None
        except RedisError:
            pending = (
                None  # pages are shown without the cache; whoever is on the way to a provider starts anew
            )
        if pending is None:
            return {}
        self._session_key = key
        self._is_pending = True
        return self.decode(pending)

    def save(self, must_create: bool = False) -> None:
        """Keeps the session, where it belongs by now.

        Raises:
            CreateError: it was to be new, and there is one of this key.
            UpdateError: it was ended meanwhile.
            SessionInterrupted: it holds more than somebody who is not signed in may leave here.
        """
        if self.session_key is None:
            self.create()
            return
        data: dict[str, Any] = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        if SESSION_KEY in data:
            # Somebody has just signed in: from now on it is a row, which outlives the cache and can be listed.
            is_new, self._is_pending = self._is_pending, False
            super().save(must_create=must_create or is_new)
            if is_new:
                ANONYMOUS.forget(self.session_key)
            return
        if must_create and ANONYMOUS.get(self.session_key) is not None:
            raise CreateError
        if not must_create and not self._is_pending:
            # A row without a person in it was one until now: leave it the way Django does.
            super().save()
            return
        self._is_pending = True
        try:
            ANONYMOUS.keep(self.session_key, self.encode(data), lifetime_s=self.get_expiry_age())
        except ValueError as error:
            raise SessionInterrupted("The session of somebody who is not signed in is too large.") from error

    def exists(self, session_key: str) -> bool:
        """Returns whether there is a session of this key."""
        return super().exists(session_key) or ANONYMOUS.get(session_key) is not None

    def delete(self, session_key: str | None = None) -> None:
        """Ends the session, or the one named; idempotent."""
        key = session_key or self.session_key
        if key is None:
            return
        if self._is_pending or session_key is not None:
            ANONYMOUS.forget(key)
        super().delete(key)

    def _get_session_from_db(self) -> Session | None:
        now = timezone.now()
        found = one(Session, "this.session_key = %s AND this.expire_date > %s", [self.session_key, now])
        if found is None:
            self._session_key = None
        return found
