"""A class recorded from one camera, driven step by step: real packets, real files, a clock that the test owns."""

import itertools
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from nacl.public import PrivateKey, SealedBox

from edge_agent.capture.feed import Feed, RunEnded, RunStarted
from edge_agent.capture.status_board import StatusBoard
from edge_agent.files import FILES, Files
from edge_agent.recording.recorder import TrackRecorder
from edge_agent.sources.file_source import FileSource
from edge_agent.sources.packet import MediaPacket, StreamInfo
from edge_agent.spool.spool import Spool
from edge_agent.sync.clock_map import ClockMap
from edge_agent.sync.utc_reference import UtcReference
from shared.kernel.clock import FakeClock
from shared.protocol.config import RecipientKey, RecordingOrder
from shared.protocol.ids import CameraId, ClassSessionId, RecipientKeyId, RoomId
from shared.protocol.manifest import GapRecord, SealedBlob, SegmentManifest
from shared.protocol.status import CameraError
from tests.media import stamped_numbers

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOOP = 120
"""Pictures in a test video as `make_video` makes it: four seconds at 30 a second."""


def read_media(
    path: Path, seconds: float, *, start_at: datetime = NOON
) -> tuple[StreamInfo, list[MediaPacket]]:
    """Returns what a file camera gives in so many seconds, as it comes out of the real source."""
    clock = FakeClock(start_at)
    source = FileSource(path, with_audio=True, clock=clock, wait=clock.advance)
    info = source.open()
    first_ns = clock.monotonic_ns()
    packets = list(itertools.takewhile(lambda p: p.arrival_ns < first_ns + seconds * 1e9, source.packets()))
    source.close()
    return info, packets


class Studio:
    """One agent with one camera: its state folder, its clock, the studio's key."""

    def __init__(self, state: Path, *, now_at: datetime = NOON) -> None:
        self.state = state
        self.clock = FakeClock(now_at)
        self.key = PrivateKey.generate()
        self.recipient = RecipientKey(id=RecipientKeyId(uuid4()), public_key=bytes(self.key.public_key))
        self.camera_id = CameraId(uuid4())
        self.class_id = ClassSessionId(uuid4())
        self.board = StatusBoard()
        self.board.update_camera(self.camera_id)
        self.feed = Feed()
        self.reference = UtcReference(self.clock)
        self._base_ns: int | None = None

    def open_spool(self, files: Files = FILES) -> Spool:
        """Opens the spool of the state folder."""
        return Spool.open(self.state, clock=self.clock, files=files)

    def order(self, *, start_s: float = 0.0, stop_s: float | None = None) -> RecordingOrder:
        """Returns an order for the class; seconds from noon."""
        return RecordingOrder(
            class_session_id=self.class_id,
            room_id=RoomId(uuid4()),
            start_at=NOON + timedelta(seconds=start_s),
            stop_at=None if stop_s is None else NOON + timedelta(seconds=stop_s),
        )

    def recorder(self, spool: Spool, order: RecordingOrder) -> TrackRecorder:
        """Returns a recorder that has subscribed to the camera."""
        recorder = TrackRecorder(
            order, self.camera_id, feed=self.feed, spool=spool, recipient=self.recipient, board=self.board
        )
        recorder.step(0)
        return recorder

    def connect(self, info: StreamInfo) -> RunStarted:
        """Begins a run of the camera."""
        run = RunStarted(info, ClockMap(self.reference), "connected")
        self.feed.publish(run)
        return run

    def play(self, run: RunStarted, packets: Iterable[MediaPacket], recorder: TrackRecorder | None) -> None:
        """Lets packets arrive in their own time from now on; the recorder takes them as they come."""
        begin_ns: int | None = None
        now_ns = self.clock.monotonic_ns()
        for packet in packets:
            begin_ns = packet.arrival_ns if begin_ns is None else begin_ns
            due_ns = now_ns + packet.arrival_ns - begin_ns
            if due_ns > self.clock.monotonic_ns():
                self.clock.advance((due_ns - self.clock.monotonic_ns()) / 1e9)
            arrived = msgspec.structs.replace(packet, arrival_ns=due_ns)
            if packet.kind == 0:
                run.clock.observe(arrived)
            self.feed.publish(arrived)
            if packet.keyframe and recorder is not None and not recorder.finished:
                recorder.step(0)

    def disconnect(self, error: CameraError | None = CameraError.ENDED, detail: str = "") -> None:
        """Ends the run of the camera."""
        self.feed.publish(RunEnded(error, detail))
        if error is not None:
            self.board.update_camera(self.camera_id, error=error)

    def begin(
        self, *, files: Files = FILES, start_s: float = 0.0, stop_s: float | None = None
    ) -> tuple[Spool, RecordingOrder, TrackRecorder]:
        """Opens the spool, and lets a recorder with an order (seconds from noon) subscribe to the camera."""
        spool = self.open_spool(files)
        order = self.order(start_s=start_s, stop_s=stop_s)
        return spool, order, self.recorder(spool, order)

    def record(self, info: StreamInfo, packets: Iterable[MediaPacket]) -> Spool:
        """Records a whole class, of one run of the camera; returns the spool that it is in."""
        run = self.connect(info)
        spool, order, recorder = self.begin()
        self.play(run, packets, recorder)
        self.finish(recorder, order)
        return spool

    def finish(self, recorder: TrackRecorder, order: RecordingOrder) -> None:
        """Stops the class one picture from now, and lets time pass until the recorder has finished."""
        self.clock.advance(1 / 30)
        recorder.set_order(msgspec.structs.replace(order, stop_at=self.clock.now()))
        recorder.step(0)
        self.clock.advance(3)
        recorder.step(0)
        assert recorder.finished

    def manifests(self, spool: Spool) -> list[SegmentManifest]:
        """Returns the closed segments of the class."""
        return spool.index.segments_of(self.class_id, self.camera_id)

    def gaps(self, spool: Spool) -> list[GapRecord]:
        """Returns the gaps of the class."""
        return spool.index.gaps(self.class_id)

    def plain(self, spool: Spool, manifest: SegmentManifest) -> bytes:
        """Returns a segment decrypted with the studio's key, as one playable file."""
        return self.init(spool, manifest) + b"".join(
            self.opened(spool, manifest, fragment.blob) for fragment in manifest.fragments
        )

    def init(self, spool: Spool, manifest: SegmentManifest) -> bytes:
        """Returns the init section decrypted."""
        return self.opened(spool, manifest, manifest.init)

    def opened(self, spool: Spool, manifest: SegmentManifest, blob: SealedBlob) -> bytes:
        """Returns one blob decrypted as a player does it: AES-128-CBC, its own IV, PKCS#7."""
        key = SealedBox(self.key).decrypt(manifest.sealed_key)
        data = spool.path(manifest).read_bytes()[blob.offset_bytes : blob.offset_bytes + blob.size_bytes]
        decryptor = Cipher(algorithms.AES128(key), modes.CBC(blob.iv)).decryptor()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()

    def recorded_numbers(self, spool: Spool) -> list[int]:
        """Returns the numbers of all recorded pictures, segment after segment."""
        return [number for _, number in self.recorded(spool)]

    def recorded(self, spool: Spool) -> Iterator[tuple[int, int]]:
        """Yields (pts, number) of all recorded pictures, segment after segment."""
        for manifest in self.manifests(spool):
            yield from stamped_numbers(self.plain(spool, manifest))


def follow(numbers: list[int], loop: int) -> bool:
    """Returns whether there are numbers, and they count up by one, starting over after `loop`."""
    return bool(numbers) and all((b - a) % loop == 1 for a, b in itertools.pairwise(numbers))
