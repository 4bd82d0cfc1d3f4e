"""Video files as cameras: played in real time, in a loop."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av

from edge_agent.errors import CameraFailed
from edge_agent.settings import Settings
from edge_agent.sources.av_source import FORMATS, AvSource
from edge_agent.sources.packet import Kind, MediaPacket, StreamInfo
from edge_agent.sources.packetizer import ORIGIN_90K
from shared.kernel.clock import Clock
from shared.kernel.timebase import TICKS_PER_S, rescale, ticks_to_ns
from shared.protocol.status import CameraError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def media_path(name: str, settings: Settings) -> Path:
    """Returns the file with that name on the agent's own list. Raises `CameraFailed` if there is none."""
    path = settings.media.get(name)
    if path is None or not Path(path).is_file():
        raise CameraFailed(CameraError.NOT_ON_LIST, name)
    return Path(path)


class FileSource(AvSource):
    """A file that plays as if it had started in 1970 and looped ever since.

    The position follows from UTC, so that files of equal length, the views of one scene, stay in sync whenever each was
    opened. A packet's arrival is the instant it is due: a file has no network delay.
    """

    def __init__(
        self, path: Path, *, with_audio: bool, clock: Clock, wait: Callable[[float], object] | None = None
    ) -> None:
        """Args:
        path: the file.
        with_audio: whether its sound is read.
        clock: determines the start position, and when a packet is due.
        wait: waits that many seconds, or until aborted; tests inject their own.
        """
        options = {"protocol_whitelist": "file", "format_whitelist": FORMATS, "fpsprobesize": "0"}
        super().__init__(options, with_audio=with_audio, clock=clock)
        self._path = path
        self._wait = wait or self._aborted.wait

    def open(self) -> StreamInfo:
        """Opens the file and returns its streams. Raises `CameraFailed`."""
        try:
            return super().open()
        except CameraFailed as failed:
            raise _of_a_file(failed) from None

    def packets(self) -> Iterator[MediaPacket]:
        """Yields packets until aborted. Raises `CameraFailed`."""
        try:
            yield from super().packets()
        except CameraFailed as failed:
            raise _of_a_file(failed) from None

    def _open_container(self) -> Any:
        return av.open(str(self._path), options=self._options)

    def _flow(self) -> Iterator[MediaPacket]:
        length_90k = self._length_90k()
        start_utc_90k = rescale((self._clock.now() - _EPOCH) // timedelta(microseconds=1), 9, 100)
        start_ns = self._clock.monotonic_ns()
        # Looped since 1970: the position is UTC modulo the length, so the current loop is the quotient.
        loop = start_utc_90k // length_90k
        first_utc_90k: int | None = None
        due_ns = start_ns
        while not self._aborted.is_set():
            base_utc_90k = loop * length_90k
            for packet in super()._flow():
                place_90k = packet.pts_90k - ORIGIN_90K
                utc_90k = base_utc_90k + place_90k
                if not 0 <= place_90k < length_90k:
                    continue
                if first_utc_90k is None:
                    if utc_90k < start_utc_90k or not (packet.keyframe and packet.kind is Kind.VIDEO):
                        continue
                    first_utc_90k = utc_90k
                if utc_90k < first_utc_90k and packet.kind is Kind.AUDIO:
                    continue
                due_ns = max(due_ns, start_ns + ticks_to_ns(utc_90k - start_utc_90k))
                if (wait_s := (due_ns - self._clock.monotonic_ns()) / 1e9) > 0:
                    self._wait(wait_s)
                if self._aborted.is_set():
                    return
                moved = utc_90k - first_utc_90k + ORIGIN_90K - packet.pts_90k
                yield MediaPacket(
                    kind=packet.kind,
                    data=packet.data,
                    size_bytes=packet.size_bytes,
                    pts_90k=packet.pts_90k + moved,
                    dts_90k=packet.dts_90k + moved,
                    keyframe=packet.keyframe,
                    arrival_ns=due_ns,
                )
            loop += 1
            self._rewind()

    def _rewind(self) -> None:
        """Opens the file again: seeking is exact in few containers."""
        self.close()
        self.open()

    def _length_90k(self) -> int:
        """Returns how long the pictures last, from the first to one frame past the last."""
        numerator, denominator = self._video.time_base.numerator, self._video.time_base.denominator
        if self._container.format.name.startswith("mov") and self._video.duration:
            ticks = self._video.duration
        else:
            times = [
                (p.pts, p.duration or 0) for p in self._container.demux(self._video) if p.pts is not None
            ]
            self._rewind()
            if not times:
                raise CameraFailed(CameraError.BAD_DATA, "the pictures in the file have no times")
            ticks = max(pts + duration for pts, duration in times) - min(pts for pts, _ in times)
        return max(1, rescale(ticks * numerator, TICKS_PER_S, denominator))


def _of_a_file(failed: CameraFailed) -> CameraFailed:
    # A file does not recover by reconnecting: it has to be replaced.
    if failed.error is CameraError.UNSUPPORTED_CODEC:
        return failed
    return CameraFailed(CameraError.BAD_FILE, failed.detail)
