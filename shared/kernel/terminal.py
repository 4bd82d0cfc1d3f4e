"""Makes all texts printable on terminals of any encoding."""

import codecs
import io
from typing import TextIO

_PLAIN = {"✓": "ok", "✗": "BAD", "●": "*", "±": "+-", "…": "...", "→": "->", "↳": "->"}


def make_printable(stream: TextIO | None) -> None:
    """Makes `stream` print plain letters for signs outside its encoding, instead of raising.

    Args:
        stream: standard output; None if it is closed. Standard error never raises: Python escapes there.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="threedance.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in signs), error.end


codecs.register_error("threedance.plain", _plain)
