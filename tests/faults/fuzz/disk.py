"""Input from the agent's own disk: lines with a checksum, journals, configuration, settings, identity, index rows."""

import contextlib
import shutil
import sqlite3
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from edge_agent.checksummed_lines import Damaged, from_line, to_line
from edge_agent.control.config_store import ConfigStore, _Candidate, _Failed
from edge_agent.control.identity import IdentityFolder, Pairing
from edge_agent.errors import IdentityError, SettingsInvalid
from edge_agent.files import Files
from edge_agent.local.status_socket import LocalStatus, read_status
from edge_agent.settings import Settings, SpoolSettings, load_settings, save_settings
from edge_agent.spool.index import Index, IndexedSegment
from edge_agent.spool.journal import read_journal
from edge_agent.spool.schema import connect
from edge_agent.spool.track_progress import AudioDecision, AudioPlan, TrackProgress
from shared.kernel.clock import FakeClock
from shared.protocol.codec import encode
from shared.protocol.config import AgentConfig
from shared.protocol.manifest import GapRecord, SegmentManifest
from tests.edge_agent.spool.recorded_class import Studio
from tests.edge_agent.spool.segments import CLOCK, closed, fragment, writer
from tests.faults.fuzz.target import Pieces, Target, expect, folder
from tests.shared.examples import AT, CONFIG, EXAMPLES, GAP, MANIFEST, REPORTED, STATUS

SOUND = AudioDecision(
    plan=AudioPlan(config=b"\x11\x90", codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=2)
)
_AT_REST: tuple[Any, ...] = (SegmentManifest, GapRecord, TrackProgress, AgentConfig, _Candidate, _Failed)


class Unsynced(Files):
    """The disk without its waits: what is fuzzed is what is read."""

    def sync(self, descriptor: int) -> None:
        """Waits for nothing."""

    def sync_folder(self, folder: Path) -> None:
        """Waits for nothing."""


UNSYNCED = Unsynced()


def _with_checksum(data: bytes) -> bytes:
    return b"%08x %b" % (zlib.crc32(data), data)


def line(data: bytes) -> None:
    """A value at rest: `Damaged`, or a value that reads back as itself. A first byte of zero puts the checksum right."""
    pieces = Pieces(data)
    right, type_ = pieces.number() == 0, _AT_REST[pieces.number() % len(_AT_REST)]
    with contextlib.suppress(Damaged):
        value = from_line(_with_checksum(pieces.left) if right else pieces.left, type_)
        expect(from_line(to_line(value), type_) == value, "it does not read back as itself")


def _line_seeds() -> Sequence[bytes]:
    values = [
        MANIFEST,
        GAP,
        TrackProgress(until_at=AT, run=2, sound=SOUND),
        CONFIG,
        _Candidate(config=CONFIG),
    ]
    return [
        bytes([right, n]) + to_line(v)[9 if right == 0 else 0 :]
        for n, v in enumerate(values)
        for right in (0, 1)
    ]


def journal(data: bytes) -> None:
    """The journal of an open segment, and a start of the agent on it. Lines that begin with `=` get their checksum."""
    state = folder("journal") / "state"
    shutil.rmtree(state, ignore_errors=True)
    camera = state / "spool" / str(MANIFEST.camera_id)
    camera.mkdir(parents=True)
    lines = [_with_checksum(item[1:]) if item[:1] == b"=" else item for item in data.split(b"\n")]
    stem = f"{MANIFEST.sequence:010d}-{MANIFEST.segment_id}"
    (camera / f"{stem}.journal").write_bytes(b"\n".join(lines))
    (camera / f"{stem}.part").write_bytes(_part())
    read_journal(camera / f"{stem}.journal")
    studio = Studio(state)
    spool = studio.open_spool(UNSYNCED)
    try:
        for waiting in spool.pending(10):
            expect(waiting.manifest.size_bytes <= len(_part()), "it holds more than its object")
    finally:
        spool.close()


@cache
def _open_segment() -> tuple[bytes, bytes]:
    studio = Studio(folder("open") / "state")
    spool = studio.open_spool(UNSYNCED)
    segment = writer(studio, spool)
    for number in range(3):
        segment.append(fragment(number, 64), CLOCK)
    (journal_path,) = (studio.state / "spool").rglob("*.journal")
    found = journal_path.read_bytes(), journal_path.with_suffix(".part").read_bytes()
    spool.close()
    return found


def _part() -> bytes:
    return _open_segment()[1]


def _journal_seeds() -> Sequence[bytes]:
    whole = _open_segment()[0]
    return [whole, b"\n".join(b"=" + item[9:] if item else b"" for item in whole.split(b"\n"))]


def config_store(data: bytes) -> None:
    """The configuration on the disk: quarantined, or in force; the agent can report either and take another."""
    state = folder("config") / "config"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    for name in ("applied", "candidate", "failed"):
        text, _, data = data.partition(b"\n")
        if text:
            (state / f"{name}.json").write_bytes(
                _with_checksum(text[1:]) if text[:1] == b"=" else text + b"\n"
            )
    store = ConfigStore(state, CONFIG.agent_id, files=UNSYNCED)
    store.read_only()
    store.load()
    encode(store.reported())
    store.stage(CONFIG)
    store.accept()
    again = ConfigStore(state, CONFIG.agent_id, files=UNSYNCED)
    again.load()
    expect(again.applied == CONFIG, "what was put in force is not")


def _config_seeds() -> Sequence[bytes]:
    failed = _Failed(version=3, hash=None, error="x")
    values = [to_line(CONFIG), to_line(_Candidate(config=CONFIG, starts=1)), to_line(failed)]
    return [b"".join(values), b"\n".join(b"=" + value[9:].strip() for value in values)]


def settings(data: bytes) -> None:
    """The agent's own settings: `SettingsInvalid`, or settings that can be written and read back."""
    state = folder("settings")
    (state / "settings.toml").write_bytes(data)
    with contextlib.suppress(SettingsInvalid):
        found = load_settings(state)
        save_settings(state, found)
        expect(load_settings(state) == found, f"it does not read what it writes: {found}")


def _settings_seeds() -> Sequence[bytes]:
    state = folder("settings-seed")
    save_settings(
        state,
        Settings(
            media={"left.mp4": "/srv/left.mp4"}, spool=SpoolSettings(when_full="drop-oldest", max_hours=12)
        ),
    )
    return [(state / "settings.toml").read_bytes()]


def identity(data: bytes) -> None:
    """The identity of the agent: `IdentityError`, or one that can sign."""
    place = IdentityFolder(folder("identity"))
    place.path.mkdir(exist_ok=True)
    pieces = Pieces(data)
    sizes = pieces.number() % 64, pieces.number() % 64
    keys, rest = pieces.left[: sum(sizes)], pieces.left[sum(sizes) :]
    (place.path / "identity.key").write_bytes(keys[: sizes[0]])
    (place.path / "sealing.key").write_bytes(keys[sizes[0] :])
    (place.path / "pairing.json").write_bytes(rest)
    (place.path / "revoked.json").write_bytes(rest)
    with contextlib.suppress(IdentityError):
        place.load().token(FakeClock(AT))
    place.revocation()


def _identity_seeds() -> Sequence[bytes]:
    said = Pairing(address="https://studio.example", answer=EXAMPLES["pair_answer"][1])
    return [bytes([32, 32]) + bytes(64) + encode(said), bytes([32, 32]) + b'{"sub":"x","reason":"","iat":1}']


def index_row(data: bytes) -> None:
    """A row of the index: the start proves it or rebuilds the index, and what is read later is left out."""
    pieces = Pieces(data)
    at_start, column, kind = pieces.number() & 1, _COLUMNS[pieces.number() % len(_COLUMNS)], pieces.number()
    value: object = pieces.left
    if column not in ("manifest", "record"):
        value = pieces.number(7, signed=True) if kind & 1 else pieces.left.decode("utf-8", "replace")
    elif kind & 1:
        value = _with_checksum(pieces.left)
    path = _index()
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")
        table = "gaps" if column in ("record", "settled") else "segments"
        saved = db.execute(f"SELECT {column} FROM {table}").fetchone()[0]  # noqa: S608
        index = None if at_start else _opened(path)
        try:
            db.execute(f"UPDATE {table} SET {column} = ?", (value,))  # noqa: S608
        except sqlite3.IntegrityError:
            return
        try:
            if index is None:
                with contextlib.suppress(sqlite3.DatabaseError):
                    connect(path).close()
            else:
                _read(index)
        finally:
            db.execute(f"UPDATE {table} SET {column} = ?", (saved,))  # noqa: S608
    finally:
        db.close()


_COLUMNS = (
    "manifest",
    "state",
    "here",
    "size_bytes",
    "refusal",
    "record",
    "settled",
    "committed_at_us",
    "camera_id",
)


@cache
def _opened(path: Path) -> Index:
    return Index(path)


def _read(index: Index) -> None:
    """All that an agent asks of an index that was damaged after its start."""
    for row in index.pending(10):
        expect(isinstance(row, IndexedSegment), "no row")
    index.stored_after(None, 10)
    index.segments_of(MANIFEST.class_session_id, MANIFEST.camera_id)
    index.gaps_pending(10)
    index.backlog()
    index.stored_bytes()
    index.tally(MANIFEST.class_session_id)
    index.to_clean(AT, 10)


@cache
def _index() -> Path:
    studio = Studio(folder("index") / "state")
    spool = studio.open_spool(UNSYNCED)
    closed(studio, spool)
    spool.add_gap(GAP)
    spool.close()
    return studio.state / "index.sqlite"


def _index_seeds() -> Sequence[bytes]:
    lines = [to_line(MANIFEST), to_line(GAP)]
    return [
        *(bytes([start, 0, 0]) + lines[0] for start in (0, 1)),
        *(bytes([start, 0, 1]) + lines[0][9:] for start in (0, 1)),
        *(bytes([start, 5, 0]) + lines[1] for start in (0, 1)),
        *(
            bytes([start, column, kind]) + b"refused"
            for column in (1, 2, 3, 4, 8)
            for kind in (0, 1)
            for start in (0, 1)
        ),
    ]


def local_status(data: bytes) -> None:
    """Data read from the agent's own socket: a status, or None."""
    state = folder("local")
    with _answering(state, data):
        read_status(state)


@contextlib.contextmanager
def _answering(state: Path, data: bytes) -> Any:
    class Client:
        def __init__(self, _: int) -> None:
            self._left = [data]

        def __enter__(self) -> "Client":
            return self

        def __exit__(self, *_: object) -> None:
            return

        def settimeout(self, _: float) -> None:
            return

        def connect(self, _: str) -> None:
            return

        def recv(self, _: int) -> bytes:
            return self._left.pop() if self._left else b""

    with patch("edge_agent.local.status_socket.socket.socket", Client):
        yield


def _local_seeds() -> Sequence[bytes]:
    return [
        encode(
            LocalStatus(
                pid=1, agent_version="1", started_at=AT, address="a", studio_name="s", fingerprint="f", link_up=True,
                link_error="", configuration=REPORTED, cameras=(), bytes_sent=0, status=STATUS,
            )
        )
    ]  # fmt: skip


TARGETS = {
    "line": Target(line, _line_seeds),
    "journal": Target(journal, _journal_seeds),
    "config_store": Target(config_store, _config_seeds, 8192),
    "settings": Target(settings, _settings_seeds, 1024),
    "identity": Target(identity, _identity_seeds, 1024),
    "index_row": Target(index_row, _index_seeds),
    "local_status": Target(local_status, _local_seeds, 8192),
}
