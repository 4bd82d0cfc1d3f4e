"""Liveness and readiness, for supervisors and load balancers. No secrets, no sign-in."""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """Answers 200 as long as the process can answer."""
    return JsonResponse({"live": True})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Answers 200 if the database and Valkey answer, else 503 with the names of those that do not."""
    waiting = [name for name, works in (("database", _database()), ("valkey", _valkey())) if not works]
    response = JsonResponse({"ready": not waiting, "waiting_for": waiting}, status=503 if waiting else 200)
    response.is_outage = bool(waiting)  # type: ignore[attr-defined]  # for `common.outages`
    return response


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _valkey() -> bool:
    if not settings.VALKEY_URL:
        return True
    client = redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=2, socket_connect_timeout=2)
    try:
        client.ping()
    except redis.RedisError:
        return False
    finally:
        client.close()
    return True
