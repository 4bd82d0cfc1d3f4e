"""Refuses text that no view accepts, before any view reads it: NUL characters, and encodings other than UTF-8.

PostgreSQL cannot store NUL, so any view, filter or form that passes it on would fail. Form fields refuse it themselves,
but query parameters do not go through form fields.
"""

import codecs
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.http import parse_header_parameters

from control_plane.common.errors import BadRequest
from control_plane.common.problems import refusal_response
from shared.kernel.redact import MASK

Handler = Callable[[HttpRequest], HttpResponse]

_ENCODINGS = frozenset({"utf-8", "ascii"})
"""Names as in `codecs`. Browsers send forms in the encoding of the page, which is UTF-8."""
_ZERO = "\0"
_LONGEST_NAME = 40


class InputValidation:
    """Middleware above everything that uses the database. Answers 400 with the name of the field."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Calls the next handler unless the path, the query or a cookie is refused."""
        fault = (
            ("The address contains a zero character." if _ZERO in request.path_info else "")
            or ("A cookie contains a zero character." if any(map(_has_zero, request.COOKIES.items())) else "")
            or _fault_of_fields(request.GET)
        )
        return refusal_response(request, BadRequest(fault)) if fault else self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Refuses a form with a NUL character; returns None otherwise."""
        if request.content_type not in ("application/x-www-form-urlencoded", "multipart/form-data"):
            return None
        if getattr(view, "csrf_exempt", False):
            # A view for API clients or agents streams its body; parsing the form here would consume it.
            return None
        fault = _fault_of_fields(request.POST)
        return refusal_response(request, BadRequest(fault)) if fault else None


def require_utf8(content_type: str) -> None:
    """Checks the charset that a request declares for its body, and so for its query.

    Django accepts any codec that Python knows. Some of them are not text encodings and make the request fail before any
    middleware.

    Raises:
        BadRequest: it is not UTF-8.
    """
    try:
        named = parse_header_parameters(content_type)[1].get("charset", "utf-8")
        is_known = codecs.lookup(named).name in _ENCODINGS
    except (LookupError, ValueError):
        is_known = False
    if not is_known:
        raise BadRequest("The encoding in Content-Type is not UTF-8.")


def _fault_of_fields(fields: QueryDict) -> str:
    for name, values in fields.lists():
        if _ZERO in name:
            return "The name of a field contains a zero character."
        if any(_ZERO in value for value in values):
            return f"{_shown(name)}: contains a zero character."
    return ""


def _has_zero(pair: tuple[str, str]) -> bool:
    return _ZERO in pair[0] or _ZERO in pair[1]


def _shown(name: str) -> str:
    return name[:_LONGEST_NAME] if name.isascii() and name.isprintable() else MASK
