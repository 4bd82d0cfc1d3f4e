"""The only writer of CSV: lines by RFC 4180, in which no text becomes a formula of a spreadsheet. Pure.

A spreadsheet evaluates a cell that begins with one of `FORMULA_STARTS`. Names come from people, so such a text gets an
apostrophe before it and is shown as text.

Source: OWASP, CSV Injection.
"""

import csv
import io
from collections.abc import Iterable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class Verbatim(str):
    """Text that a program reads back, and that nobody types: a code, an id, a hash. It is written as it is."""

    __slots__ = ()


def csv_line(cells: Iterable[str | int | None]) -> str:
    """Returns one line with its line break; None is an empty cell, a number stays a number."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow([_guarded(cell) for cell in cells])
    return text.getvalue()


def _guarded(cell: str | int | None) -> str | int | None:
    if not isinstance(cell, str) or isinstance(cell, Verbatim):
        return cell
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell
