"""What callers are told while the database or the cache does not answer: to come again, at once and in words.

The web process stays up through every outage of what it stands on. A request that runs into one is answered with 503;
from then on, until the database answers again, requests are refused before they wait for it, so that the few threads
are not all waiting when it is back.
"""

import logging
import threading
import time
from collections.abc import Callable

import psycopg
import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import resolve
from kombu.exceptions import OperationalError as BrokerError

from shared.kernel.disk import DiskSpace
from shared.kernel.logs import FailureLog
from shared.protocol.codec import encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, problem

log = logging.getLogger(__name__)

OUTAGES = (OperationalError, InterfaceError, redis.RedisError, BrokerError)
"""Database, cache and broker: not there, full, starting, out of connections. What is asked wrongly is none of these."""
RETRY_AFTER_S = 15
PROBE_TIMEOUT_S = 2
"""libpq takes no less."""
PROBE_EVERY_S = 1.0
ALWAYS = ("/livez",)
"""Answered without the database. Static files are answered further out."""

Handler = Callable[[HttpRequest], HttpResponse]


class Outages:
    """Middleware above everything that asks the database. Its one instance is used by all threads.

    While the database is away, one request a second asks for it, and waits for that at most `PROBE_TIMEOUT_S`; all others
    are answered at once.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self._failures = FailureLog(log, "the database does not answer")
        self._lock = threading.Lock()
        """Held by the one who asks for the database; it also guards what follows."""
        self._is_away = False
        self._asked_s = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Calls on, unless the database is known to be away."""
        if request.path in ALWAYS:
            # Without what lies between: the session of a browser that asks is in the database.
            view: Handler = resolve(request.path).func
            return view(request)
        if self._is_away and not self._is_back():
            return unavailable(request)
        response = self.get_response(request)
        if getattr(response, "is_outage", False):
            # One query that fails is not a database that is away: only its own answer tells.
            self._is_back()
        return response

    def _is_back(self) -> bool:
        if not self._lock.acquire(blocking=False):
            return not self._is_away
        try:
            if time.monotonic() - self._asked_s >= PROBE_EVERY_S:
                error = database_error()
                self._asked_s = time.monotonic()
                self._is_away = error is not None
                if error is None:
                    self._failures.recovered()
                else:
                    self._failures.failed(error=error.splitlines()[0])
            return not self._is_away
        finally:
            self._lock.release()


def database_error() -> str | None:
    """Asks the database for a connection of its own, beside the pool, and returns why there is none; None where it is."""
    parameters = {
        key: value
        for key, value in connection.get_connection_params().items()
        if key in ("dbname", "user", "password", "host", "port")
    }
    try:
        with psycopg.connect(**parameters, connect_timeout=PROBE_TIMEOUT_S):
            return None
    except psycopg.Error as error:
        return str(error) or type(error).__name__


def unavailable(request: HttpRequest) -> HttpResponse:
    """Returns the answer to a request during an outage: a page for people, problem+json for programs; never cached."""
    is_disk_full = disk_is_low()
    if "text/html" in request.headers.get("Accept", ""):
        page = render_to_string("503.html", {"is_disk_full": is_disk_full, "here": request.path})
        response = HttpResponse(page, status=503)
    else:
        response = HttpResponse(
            encode(
                problem(Code.UNAVAILABLE, _detail(is_disk_full), instance=getattr(request, "request_id", ""))
            ),
            status=503,
            content_type=PROBLEM_CONTENT_TYPE,
        )
    response["Retry-After"] = str(RETRY_AFTER_S)
    response["Cache-Control"] = "no-store"
    response.is_outage = True  # type: ignore[attr-defined]
    return response


def disk_is_low() -> bool:
    """Returns whether the disk of the state folder takes no more footage; a disk that does not answer is not judged."""
    try:
        return DiskSpace.of(settings.STATE_DIR).is_low
    except OSError:
        return False


def _detail(is_disk_full: bool) -> str:
    why = "The server's disk is full." if is_disk_full else "The database or the cache does not answer."
    return f"{why} The service continues by itself afterwards. Nothing is lost: agents keep their recordings."
