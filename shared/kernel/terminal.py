"""Makes every text printable on every terminal, whatever its encoding."""

import codecs
import io
from typing import TextIO

_PLAIN = {"✓": "ok", "✗": "BAD", "●": "*", "±": "+-", "…": "...", "→": "->", "↳": "->"}


def make_printable(stream: TextIO | None) -> None:
    """Has `stream` print plain letters for signs that its encoding does not have, where it would raise.

    Args:
        stream: standard output; None where it is closed. Standard error never raises: Python escapes there.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="threedance.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in signs), error.end


codecs.register_error("threedance.plain", _plain)
