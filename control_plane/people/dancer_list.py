"""Parser of a CSV list of dancers. It reads the whole file before anything is added. Pure."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from control_plane.common.names import clean_name, name_key

FIRST_BIRTH_YEAR = 1900
LARGEST_BYTES = 256 * 1024
MOST_LINES = 2000
MOST_ERRORS = 20
NAME_LENGTH, NOTE_LENGTH = 120, 1000
COLUMNS = ("name", "birth_date", "birth_year", "protected", "note")
_YES = {"yes", "y", "true", "1", "x", "wahr", "vrai", "verdadero", "vero"}
_NO = {"", "no", "n", "false", "0", "falsch", "faux", "falso"}
"""Includes what Excel writes for TRUE and FALSE in German, French, Spanish and Italian."""
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SEPARATOR = re.compile(r"sep=(.)(\r\n|\r|\n)", re.IGNORECASE)
"""A `sep=;` line before the header. Exports for Excel write it, and Excel hides it."""


@dataclass(frozen=True, slots=True)
class NewDancer:
    """A dancer to be added. `birth_year` and `birth_date` None: unknown. `line`: the line in the file, 0 without one."""

    name: str
    birth_year: int | None = None
    protected: bool = False
    note: str = ""
    line: int = 0
    birth_date: date | None = None

    @property
    def year(self) -> int | None:
        """The year of birth: that of the date, if it is known."""
        return self.birth_date.year if self.birth_date else self.birth_year


@dataclass(frozen=True, slots=True)
class LineError:
    """The error of one line; `line` counts from 1, as editors do."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.text}"


class InvalidDancerList(Exception):
    """The file is refused. `errors` has the reasons by line, at most `MOST_ERRORS`."""

    def __init__(self, errors: list[LineError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


def read_dancers(content: bytes, *, today: date) -> list[NewDancer]:
    """Returns the dancers of a CSV file, in file order.

    The first line names the columns: `name`, and optionally `birth_date` (as 2014-05-31), `birth_year`, `protected` (yes
    or no) and `note`. The separator is a comma, semicolon or tab, or the one of a `sep=` line. The text is UTF-8, or UTF-16
    with a byte order mark. Columns without a name must be empty; spreadsheets write them for cells that were cleared.

    Raises:
        InvalidDancerList: the file has errors.
    """
    if len(content) > LARGEST_BYTES:
        raise InvalidDancerList([LineError(1, f"the file has more than {LARGEST_BYTES // 1024} kB")])
    text = list_text(content)
    rows = _rows(text)
    header = _header(rows)
    dancers: list[NewDancer] = []
    errors: list[LineError] = []
    seen: dict[tuple[str, int | None], int] = {}
    for line, cells in rows:
        if not any(cells):
            continue
        if len(errors) >= MOST_ERRORS:
            break
        if len(dancers) >= MOST_LINES:
            errors.append(LineError(line, f"a file has at most {MOST_LINES} dancers"))
            break
        named = dict(zip(header, cells, strict=False))
        if any(cells[len(header) :]) or any(
            cell for cell, column in zip(cells, header, strict=False) if not column
        ):
            errors.append(
                LineError(
                    line, "it has more cells than there are columns; put text with commas in quotation marks"
                )
            )
            continue
        found = _dancer(named, line, today)
        if isinstance(found, LineError):
            errors.append(found)
            continue
        key = (name_key(found.name), found.birth_year)
        if key in seen:
            errors.append(LineError(line, f"{found.name} is already on line {seen[key]}"))
            continue
        seen[key] = line
        dancers.append(found)
    if not errors and not dancers:
        errors.append(LineError(2, "there are no dancers below the column names"))
    if errors:
        raise InvalidDancerList(errors)
    return dancers


def list_text(content: bytes) -> str:
    """Returns the text of a file.

    Raises:
        InvalidDancerList: it is no text.
    """
    encoding = _UTF_16.get(content[:2], "utf-8-sig")
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", content[: error.start])) + 1
        raise InvalidDancerList(
            [LineError(line, "it is not UTF-8 text; save the file as CSV UTF-8")]
        ) from error
    if "\0" in text:
        raise InvalidDancerList([LineError(1, "it contains a zero byte, so it is not a text file")])
    return text


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    separator = _SEPARATOR.match(text)
    if separator is not None and separator[1] not in '\r\n"':
        delimiter, text, begins = separator[1], text[separator.end() :], 2
    else:
        first = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0]
        delimiter, begins = max(",;\t", key=re.sub(r'"[^"]*"', "", first).count), 1
    before = begins - 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield begins, [cell.strip() for cell in cells]
            begins = before + reader.line_num + 1
    except csv.Error as error:
        raise InvalidDancerList(
            [LineError(begins, f"it cannot be read ({error}); check the quotation marks")]
        ) from error


def _header(rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    line, cells = next(((line, cells) for line, cells in rows if any(cells)), (1, []))
    header = [re.sub(r"[ -]", "_", name_key(cell)) for cell in cells]
    if "name" not in header:
        known = ", ".join(COLUMNS)
        raise InvalidDancerList(
            [
                LineError(
                    line, f"this line must name the columns, with one called name; known columns: {known}"
                )
            ]
        )
    named = [cell for cell in header if cell]
    unknown = [cell for cell in named if cell not in COLUMNS]
    if unknown:
        raise InvalidDancerList(
            [LineError(line, f"unknown column {unknown[0][:40]}; known columns: {', '.join(COLUMNS)}")]
        )
    if len(set(named)) < len(named):
        raise InvalidDancerList([LineError(line, "a column name occurs twice")])
    return header


def _dancer(cells: dict[str, str], line: int, today: date) -> NewDancer | LineError:
    name, note = clean_name(cells.get("name", "")), cells.get("note", "")
    if not name:
        return LineError(line, "name is empty")
    if len(name) > NAME_LENGTH:
        return LineError(line, f"name has more than {NAME_LENGTH} characters")
    if len(note) > NOTE_LENGTH:
        return LineError(line, f"note has more than {NOTE_LENGTH} characters")
    born, year, wrong = _birth(cells, today)
    if wrong:
        return LineError(line, wrong)
    word = name_key(cells.get("protected", ""))
    if word not in _YES | _NO:
        return LineError(line, f"protected {word[:20]!r} is neither yes nor no")
    return NewDancer(
        name=name, birth_year=year, protected=word in _YES, note=note, line=line, birth_date=born
    )


def _birth(cells: dict[str, str], today: date) -> tuple[date | None, int | None, str]:
    """Returns the date and the year of birth, each if it is known, and what is wrong with them; empty: nothing."""
    date_text, year_text = cells.get("birth_date", ""), name_key(cells.get("birth_year", ""))
    born = _day(date_text)
    year = int(year_text) if year_text.isdecimal() and len(year_text) == 4 else None
    if date_text and (born is None or not born.year >= FIRST_BIRTH_YEAR or born > today):
        return None, None, f"birth_date {date_text[:20]!r} is not a past date such as 2014-05-31"
    if year_text and (year is None or not FIRST_BIRTH_YEAR <= year <= today.year):
        return None, None, f"birth_year {year_text[:20]!r} is not a year such as 2014"
    if born and year not in (None, born.year):
        return None, None, f"birth_year {year} is not the year of birth_date {born}"
    return born, born.year if born else year, ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None
