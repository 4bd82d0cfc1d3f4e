"""Maximum size of request bodies: 1 MiB, or 8 MiB for views that accept files."""

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

FORM_LIMIT_BYTES = 1 << 20
FILE_LIMIT_BYTES = 8 << 20
_LIMIT = "body_limit_bytes"


def accepts_files(view: View) -> View:
    """Marks a view whose form has a file field. Must be the outermost decorator, so that the resolver finds the mark."""
    setattr(view, _LIMIT, FILE_LIMIT_BYTES)
    return view


def limit_of(view: Callable[..., Any]) -> int:
    """Returns the maximum body size of requests to `view`, in bytes."""
    limit: int = getattr(view, _LIMIT, FORM_LIMIT_BYTES)
    return limit
