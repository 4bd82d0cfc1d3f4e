"""Requests in logs: the method, and the path without parts that may be secret."""

import logging
import re
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import Resolver404, resolve

from shared.kernel.redact import MASK

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,20}")
_SHOWN = "slug"
"""The only path parameter whose text is logged: a studio's slug. Of others, only numbers and UUIDs are."""
_LONGEST = 300


class RequestRecords(logging.Filter):
    """Masks paths in the records that Django logs about requests, and adds the request id.

    Django logs the path in the message, and attaches the whole request with its query.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes the record; always accepts it."""
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            shown = shown_path(request)
            record.request = f"{request.method} {shown}"
            record.request_id = getattr(request, "request_id", "")
            if isinstance(record.args, tuple):
                record.args = tuple(_without(argument, request.path, shown) for argument in record.args)
            record.msg = _without(record.msg, request.path, shown)
        return True


def shown_path(request: HttpRequest) -> str:
    """Returns the path of a request for logs. Masks path parameters unless they are numbers or ids."""
    path = request.path_info
    try:
        match = request.resolver_match or resolve(path)
    except Resolver404:
        return "/".join(_shown(part) for part in path.split("/"))[:_LONGEST]
    for name, value in match.kwargs.items():
        if name != _SHOWN and not isinstance(value, int | UUID) and not _is_id(str(value)):
            path = path.replace(str(value), MASK)
    return path[:_LONGEST]


def _shown(part: str) -> str:
    return part if not part or _PLAIN.fullmatch(part) or _is_id(part) else MASK


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return text.isascii() and text.isdigit()
    return True


def _without(argument: Any, path: str, shown: str) -> Any:
    return argument.replace(path, shown) if isinstance(argument, str) and len(path) > 1 else argument
