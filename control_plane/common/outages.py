"""Responses while the database or the cache is unavailable: an immediate 503 with an explanation and Retry-After.

The web process survives every outage of its dependencies. The first request that hits one is answered with 503. Later ones
are refused before they wait for the database, so that not all threads are waiting when it is back.
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
"""Outages of database, cache and broker: missing, full, starting, out of connections. Not errors of our queries."""
RETRY_AFTER_S = 15
PROBE_TIMEOUT_S = 2
"""The minimum that libpq accepts."""
PROBE_EVERY_S = 1.0
ALWAYS = ("/livez",)
"""Paths that are answered without the database. Static files never get here."""

Handler = Callable[[HttpRequest], HttpResponse]


class Outages:
    """Middleware above everything that uses the database. One instance, used by all threads.

    While the database is unavailable, one request a second probes it, for at most `PROBE_TIMEOUT_S`; all others fail at
    once.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self._failures = FailureLog(log, "the database does not answer")
        self._lock = threading.Lock()
        """Held during a probe; also guards the fields below."""
        self._is_away = False
        self._asked_s = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Calls the next handler unless the database is known to be unavailable."""
        if request.path in ALWAYS:
            # Skip the middleware in between: the session of a browser is in the database.
            view: Handler = resolve(request.path).func
            return view(request)
        if self._is_away and not self._is_back():
            return unavailable(request)
        response = self.get_response(request)
        if getattr(response, "is_outage", False):
            # A failed query does not prove an outage; only a probe does.
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
    """Opens a connection outside of the pool and returns the error, or None on success."""
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
    """Returns the response during an outage: a page for browsers, problem+json for programs. Never cached."""
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
    """Returns whether the disk of the state folder is too full for footage; False if it cannot be determined."""
    try:
        return DiskSpace.of(settings.STATE_DIR).is_low
    except OSError:
        return False


def _detail(is_disk_full: bool) -> str:
    why = "The server's disk is full." if is_disk_full else "The database or the cache does not answer."
    return f"{why} The service continues by itself afterwards. Nothing is lost: agents keep their recordings."
