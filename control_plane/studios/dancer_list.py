"""A list of dancers as a CSV file, read to the last line before anything is done with it. Pure."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

FIRST_BIRTH_YEAR = 1900
LARGEST_BYTES = 256 * 1024
MOST_LINES = 2000
MOST_ERRORS = 20
NAME_LENGTH, NOTE_LENGTH = 120, 1000
COLUMNS = ("name", "birth_year", "protected", "note")
_YES = {"yes", "y", "true", "1", "x"}
_NO = {"", "no", "n", "false", "0"}


@dataclass(frozen=True, slots=True)
class NewDancer:
    """A dancer to be added. `birth_year` None: unknown. `line` is where a file says so, 0 where none does."""

    name: str
    birth_year: int | None = None
    protected: bool = False
    note: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class LineError:
    """What is wrong with one line; `line` counts from 1, as editors do."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.text}"


class NotAList(Exception):
    """The file cannot be taken; `errors` says why, line by line, at most `MOST_ERRORS` of them."""

    def __init__(self, errors: list[LineError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


def read_dancers(content: bytes, *, this_year: int) -> list[NewDancer]:
    """Returns the dancers of a CSV file in its order.

    The first line names the columns: `name`, and where wanted `birth_year`, `protected` (yes or no) and `note`. Commas,
    semicolons or tabs part them; the text is UTF-8, with a byte order mark or without.

    Raises:
        NotAList: something is wrong with it.
    """
    if len(content) > LARGEST_BYTES:
        raise NotAList([LineError(1, f"the file has more than {LARGEST_BYTES // 1024} kB")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise NotAList([LineError(line, "it is not UTF-8 text; save the file as CSV UTF-8")]) from error
    if "\0" in text:
        raise NotAList([LineError(1, "it holds a zero byte; this is no text file")])
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
        if len(cells) > len(header):
            errors.append(
                LineError(
                    line, "it has more cells than there are columns; put text with commas in quotation marks"
                )
            )
            continue
        found = _dancer(dict(zip(header, cells, strict=False)), line, this_year)
        if isinstance(found, LineError):
            errors.append(found)
            continue
        key = (found.name.casefold(), found.birth_year)
        if key in seen:
            errors.append(LineError(line, f"{found.name} stands on line {seen[key]} already"))
            continue
        seen[key] = line
        dancers.append(found)
    if not errors and not dancers:
        errors.append(LineError(2, "there is no dancer after the line of column names"))
    if errors:
        raise NotAList(errors)
    return dancers


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for cells in reader:
            yield begins, [cell.strip() for cell in cells]
            begins = reader.line_num + 1
    except csv.Error as error:
        raise NotAList(
            [LineError(begins, f"it cannot be read ({error}); check the quotation marks")]
        ) from error


def _header(rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    line, cells = next(((line, cells) for line, cells in rows if any(cells)), (1, []))
    header = [cell.casefold().replace(" ", "_").replace("-", "_") for cell in cells]
    if "name" not in header:
        known = ", ".join(COLUMNS)
        raise NotAList(
            [LineError(line, f"it names the columns, and one of them is called name; known are {known}")]
        )
    unknown = [cell for cell in header if cell not in COLUMNS]
    if unknown:
        raise NotAList(
            [LineError(line, f"unknown column {unknown[0] or '(empty)'}; known are {', '.join(COLUMNS)}")]
        )
    if len(set(header)) < len(header):
        raise NotAList([LineError(line, "a column stands there twice")])
    return header


def _dancer(cells: dict[str, str], line: int, this_year: int) -> NewDancer | LineError:
    name, note = cells.get("name", ""), cells.get("note", "")
    if not name:
        return LineError(line, "name is empty")
    if len(name) > NAME_LENGTH:
        return LineError(line, f"name has more than {NAME_LENGTH} characters")
    if len(note) > NOTE_LENGTH:
        return LineError(line, f"note has more than {NOTE_LENGTH} characters")
    year_text = cells.get("birth_year", "")
    year = int(year_text) if year_text.isascii() and year_text.isdigit() and len(year_text) == 4 else None
    if year_text and (year is None or not FIRST_BIRTH_YEAR <= year <= this_year):
        return LineError(line, f"birth_year {year_text[:20]!r} is no year such as 2014")
    word = cells.get("protected", "").casefold()
    if word not in _YES | _NO:
        return LineError(line, f"protected {word[:20]!r} is neither yes nor no")
    return NewDancer(name=name, birth_year=year, protected=word in _YES, note=note, line=line)
