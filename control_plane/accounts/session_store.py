"""Session backend: sessions of signed-in people are rows; those of other visitors stay in the cache for an hour.

Anyone can create a session, by starting a sign-in at a provider or asking for a passkey challenge; as rows they would
fill the database. Each request reads its row with one prepared query.
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

from control_plane.accounts.bounded_cache import BoundedCache
from control_plane.common.rows import fetch_one

ANONYMOUS = BoundedCache("session", most=8000, largest_chars=4096, lifetime_s=3600)
"""At most 32 MB of the cache's 256 MB."""
_OURS = re.compile("[a-z0-9]{32}")


class SessionStore(db.SessionStore):
    """Django's database backend, except for the place of anonymous sessions. Its name is part of the signing salt."""

    _is_pending = False

    def load(self) -> dict[str, Any]:
        """Returns the data of the session; empty if there is no such session."""
        key = self.session_key
        found = self._get_session_from_db()
        if found is not None:
            return self.decode(found.session_data)
        try:
            # The key comes from a cookie: one in another format is not ours.
            pending = ANONYMOUS.get(key) if key and _OURS.fullmatch(key) else None
        except RedisError:
            pending = (
                None  # without the cache, pages still work; a visitor on the way to a provider starts again
            )
        if pending is None:
            return {}
        self._session_key = key
        self._is_pending = True
        return self.decode(pending)

    def save(self, must_create: bool = False) -> None:
        """Saves the session, as a row or in the cache.

        Raises:
            CreateError: a new session was requested, but its key exists.
            UpdateError: the session was ended meanwhile.
            SessionInterrupted: an anonymous session is too large.
        """
        if self.session_key is None:
            self.create()
            return
        data: dict[str, Any] = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        if SESSION_KEY in data:
            # The person has just signed in: from now on the session is a row, which outlives the cache and can be listed.
            is_new, self._is_pending = self._is_pending, False
            super().save(must_create=must_create or is_new)
            if is_new:
                ANONYMOUS.delete(self.session_key)
            return
        if must_create and ANONYMOUS.get(self.session_key) is not None:
            raise CreateError
        if not must_create and not self._is_pending:
            # The row has lost its person just now, by signing out: keep it a row, as Django does.
            super().save()
            return
        self._is_pending = True
        try:
            ANONYMOUS.put(self.session_key, self.encode(data), lifetime_s=self.get_expiry_age())
        except ValueError as error:
            raise SessionInterrupted("The session of a visitor who is not signed in is too large.") from error

    def exists(self, session_key: str) -> bool:
        """Returns whether a session with this key exists."""
        return super().exists(session_key) or ANONYMOUS.get(session_key) is not None

    def delete(self, session_key: str | None = None) -> None:
        """Ends this session, or the one with the given key. Idempotent."""
        key = session_key or self.session_key
        if key is None:
            return
        if self._is_pending or session_key is not None:
            ANONYMOUS.delete(key)
        super().delete(key)

    def _get_session_from_db(self) -> Session | None:
        now = timezone.now()
        found = fetch_one(Session, "this.session_key = %s AND this.expire_date > %s", [self.session_key, now])
        if found is None:
            self._session_key = None
        return found
