"""Writing and reading of exported audit logs. Pure; works without Django.

JSON lines: a header, one line per entry with the hashed bytes, and a footer with a signature over header and footer.
CSV: the same in columns, with header and footer in lines that begin with `#`. The column `in words` is not part of the
chain and is covered by the signature alone.
"""

import base64
import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec

from control_plane.audit.chain import Link, Stored, canonical_json, link_hash
from control_plane.common.csv_lines import Verbatim, csv_line

FORM = 1
KIND = "threedance-audit"
COLUMNS = (
    "sequence", "at", "action", "actor_kind", "actor_id", "actor_job",
    "object_type", "object_id", "details", "previous", "hash", "in words",
)  # fmt: skip
_OPEN, _MARK = b'{"entry":', b',"hash":"'
_TAIL_BYTES = len(_MARK) + 64 + len(b'"}')
_CSV_MARK = "#" + KIND
_CSV_END = f"{_CSV_MARK}-end ".encode()
LONGEST_LINE_BYTES = 1 << 20

Sign = Callable[[bytes], bytes]
Row = tuple[Link, bytes, str]
"""An entry, its stored hash, and its text."""


class BadFile(Exception):
    """A file is not an export, or is incomplete; the message gives the place and the reason."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """First line of an export. `whole`: entries `from_sequence` to `to_sequence` without a gap, after hash `previous`."""

    kind: str
    form: int
    studio: UUID | None
    whole: bool
    from_sequence: int
    to_sequence: int
    previous: str
    head_sequence: int
    head_hash: str
    exported_at: str
    public_key: str
    selection: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Raises ValueError if `exported_at` is not an instant."""
        if datetime.fromisoformat(self.exported_at).tzinfo is None:
            raise ValueError(f"`exported_at` is {self.exported_at}, without a time zone")


class Footer(msgspec.Struct, frozen=True, kw_only=True):
    """Last line of an export; `sha256` covers all bytes before it."""

    entries: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Item:
    """One entry for the verifier: `computed` is the hash of its content in the file, `stored` the hash in the file."""

    sequence: int
    studio_id: UUID | None
    previous: str
    stored: str
    computed: str


class _Entry(msgspec.Struct, frozen=True):
    sequence: int
    studio: UUID | None
    previous: str


_entry = msgspec.json.Decoder(_Entry)


def write_jsonl(header: Header, entries: Iterable[Stored], sign: Sign) -> Iterator[bytes]:
    """Yields the lines of a JSON lines file."""
    first = msgspec.json.encode({"header": header}) + b"\n"
    yield from _signed(
        header,
        first,
        map(_json_line, entries),
        _json_end,
        sign,
    )


def write_csv(header: Header, rows: Iterable[Row], sign: Sign) -> Iterator[bytes]:
    """Yields the lines of a CSV file in UTF-8; the last column holds the current names."""
    first = f"{_CSV_MARK} {msgspec.json.encode(header).decode()}\r\n{','.join(COLUMNS)}\r\n".encode()
    yield from _signed(
        header,
        first,
        (_csv_line(link, stored, words) for link, stored, words in rows),
        _csv_end,
        sign,
    )


def _signed(
    header: Header,
    first: bytes,
    lines: Iterable[bytes],
    last: Callable[["_End"], bytes],
    sign: Sign,
) -> Iterator[bytes]:
    digest, entries = hashlib.sha256(first), 0
    yield first
    for line in lines:
        digest.update(line)
        entries += 1
        yield line
    footer = Footer(entries=entries, sha256=digest.hexdigest())
    yield last(_End(footer, base64.b64encode(sign(signed_bytes(header, footer))).decode()))


def signed_bytes(header: Header, footer: Footer) -> bytes:
    """Returns the signed bytes of an export."""
    return canonical_json(
        {"header": msgspec.to_builtins(header), "footer": msgspec.to_builtins(footer)}, "export"
    )


class Export:
    """An export being read. `footer`, `signature` and `sha256` are set after the last item of `items()`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = path.stat().st_size
        self.read_bytes = 0
        self.footer: Footer | None = None
        self.signature = ""
        self._digest = hashlib.sha256()
        with path.open("rb") as file:
            first = file.readline(LONGEST_LINE_BYTES)
        self._is_csv = first.startswith(_CSV_MARK.encode())
        try:
            if self._is_csv:
                self.header = msgspec.json.decode(first[len(_CSV_MARK) :], type=Header)
            else:
                self.header = msgspec.json.decode(first, type=dict[str, Header])["header"]
        except (msgspec.MsgspecError, KeyError, UnicodeDecodeError) as error:
            raise BadFile(f"{path.name} does not begin like an export of an audit log: {error}") from error
        if (self.header.kind, self.header.form) != (KIND, FORM):
            raise BadFile(f"{path.name} is of form {self.header.form}, which this program does not know")

    @property
    def sha256(self) -> str:
        """The hash (hex) of all that was read before the footer."""
        return self._digest.hexdigest()

    def items(self) -> Iterator[Item]:
        """Yields the entries in the order of the file.

        Raises:
            BadFile: a line is not an entry, or the file has no footer.
        """
        with self.path.open("rb") as file:
            yield from self._csv_items(file) if self._is_csv else self._json_items(file)
        if self.footer is None:
            raise BadFile("the file has no last line with its signature: it was cut off")

    def _json_items(self, file: io.BufferedReader) -> Iterator[Item]:
        self._digest.update(file.readline(LONGEST_LINE_BYTES))
        sha256, decode = hashlib.sha256, _entry.decode
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE_BYTES), b""), start=2):
            self._refuse_more(number)
            if not line.startswith(_OPEN):
                self._take_footer(line, number)
                continue
            self._digest.update(line)
            self.read_bytes += len(line)
            body, tail = line[len(_OPEN) : -_TAIL_BYTES - 1], line[-_TAIL_BYTES - 1 :]
            if not tail.startswith(_MARK) or not tail.endswith(b'"}\n'):
                raise BadFile(f"line {number} is no entry")
            try:
                entry = decode(body)
                stored = tail[len(_MARK) : -3].decode("ascii")
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise BadFile(f"line {number} is no entry: {error}") from error
            yield Item(entry.sequence, entry.studio, entry.previous, stored, sha256(body).hexdigest())

    def _csv_items(self, file: io.BufferedReader) -> Iterator[Item]:
        self._digest.update(file.readline(LONGEST_LINE_BYTES))
        names = file.readline(LONGEST_LINE_BYTES)
        self._digest.update(names)
        if names.decode("utf-8", "replace").strip() != ",".join(COLUMNS):
            raise BadFile("line 2 does not name the columns of an export")
        number = 2
        for record in _records(file):
            number += 1
            self._refuse_more(number)
            if record.startswith(_CSV_MARK.encode()):
                self._take_footer(record, number)
                continue
            self._digest.update(record)
            self.read_bytes += len(record)
            try:
                (cells,) = csv.reader(io.StringIO(record.decode(), newline=""), strict=True)
                link, stored = _from_cells(cells, self.header.studio)
                computed = link_hash(link).hex()
            except (ValueError, csv.Error) as error:
                raise BadFile(f"entry {number - 2} of the file cannot be read: {error}") from error
            yield Item(link.sequence, link.studio_id, link.previous_hash.hex(), stored, computed)

    def _refuse_more(self, number: int) -> None:
        if self.footer is not None:
            raise BadFile(f"line {number} comes after the end of the export")

    def _take_footer(self, line: bytes, number: int) -> None:
        mark, write = (_CSV_END, _csv_end) if self._is_csv else (b"", _json_end)
        try:
            found = msgspec.json.decode(line[len(mark) :], type=_End)
            signature = base64.b64decode(found.signature, validate=True)
        except (msgspec.MsgspecError, ValueError) as error:
            raise BadFile(f"line {number} is neither an entry nor the end: {error}") from error
        # No hash or signature covers this line: it must equal the line that the writer produces.
        if line != write(_End(found.footer, base64.b64encode(signature).decode())):
            raise BadFile(f"line {number} is not the end as an export has it: it was changed")
        self.footer, self.signature = found.footer, found.signature


class _End(msgspec.Struct, frozen=True):
    footer: Footer
    signature: str


def _json_end(end: _End) -> bytes:
    return msgspec.json.encode(end) + b"\n"


def _csv_end(end: _End) -> bytes:
    return _CSV_END + msgspec.json.encode(end) + b"\r\n"


def _records(file: io.BufferedReader) -> Iterator[bytes]:
    """Yields the records of a CSV file: lines, joined where a quoted cell holds a line break."""
    record = b""
    for line in iter(lambda: file.readline(LONGEST_LINE_BYTES), b""):
        record += line
        if len(record) > LONGEST_LINE_BYTES:
            raise BadFile(f"a record is longer than {LONGEST_LINE_BYTES} bytes")
        if record.startswith(b"#") or record.count(b'"') % 2 == 0:
            yield record
            record = b""
    if record:
        raise BadFile("the last record is cut off")


def _json_line(entry: Stored) -> bytes:
    if isinstance(entry.content, str):
        raise BadFile(f"entry {entry.sequence} cannot be exported: {entry.content}")
    return b'%b%b%b%b"}\n' % (_OPEN, entry.content, _MARK, entry.stored.encode())


def _csv_line(link: Link, stored: bytes, words: str) -> bytes:
    # The hash covers these cells: a reader must get them back unchanged.
    hashed = (
        str(link.sequence),
        link.occurred_at.astimezone(UTC).isoformat(timespec="microseconds"),
        link.action,
        link.actor_kind,
        str(link.actor_id or ""),
        link.actor_job,
        link.object_type,
        link.object_id,
        canonical_json(link.details, "details").decode(),
        link.previous_hash.hex(),
        stored.hex(),
    )
    return csv_line([*map(Verbatim, hashed), words]).encode()


def _from_cells(cells: list[str], studio_id: UUID | None) -> tuple[Link, str]:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"it has {len(cells)} columns, not {len(COLUMNS)}")
    sequence, at, action, kind, actor_id, job, object_type, object_id, details, previous, stored, _ = cells
    link = Link(
        studio_id=studio_id,
        sequence=int(sequence),
        occurred_at=datetime.fromisoformat(at),
        action=action,
        actor_kind=kind,
        actor_id=UUID(actor_id) if actor_id else None,
        actor_job=job,
        object_type=object_type,
        object_id=object_id,
        details=json.loads(details),
        previous_hash=bytes.fromhex(previous),
    )
    return link, stored
