"""How large the body of a page's request may be: 1 MiB, unless its view takes a file."""

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

FORM_LIMIT_BYTES = 1 << 20
FILE_LIMIT_BYTES = 8 << 20
_LIMIT = "body_limit_bytes"


def takes_file(view: View) -> View:
    """Marks a view whose form has a file field; the outermost decorator, so that the resolver finds the mark."""
    setattr(view, _LIMIT, FILE_LIMIT_BYTES)
    return view


def limit_of(view: Callable[..., Any]) -> int:
    """Returns the most bytes that a request to `view` may carry."""
    limit: int = getattr(view, _LIMIT, FORM_LIMIT_BYTES)
    return limit
