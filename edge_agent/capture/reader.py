"""A thread that reads one connection to its end and publishes its packets."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from edge_agent.capture.feed import Feed, RunClock, RunEnded, RunStarted
from edge_agent.errors import AgentError, CameraFailed, CredentialsUnreadable
from edge_agent.sources.audio_format import recorded_as
from edge_agent.sources.packet import Kind, MediaPacket, StreamInfo
from edge_agent.sources.parameter_sets import describe, parameter_sets
from edge_agent.sources.source import Source
from shared.kernel.clock import Clock
from shared.kernel.timebase import TICKS_PER_S
from shared.protocol.media import AudioFormat, ClockEstimate, VideoFormat
from shared.protocol.status import CameraError

log = logging.getLogger(__name__)

JUMP_90K = 10 * TICKS_PER_S
BACK_90K = TICKS_PER_S // 10
"""A picture this far ahead of the last one, or this far behind it, belongs to another timeline."""


@dataclass(frozen=True)
class Rates:
    """Rates over the last full second."""

    fps: float = 0.0
    bits_per_s: int = 0


class Reader:
    """Reads one source in a thread of its own.

    After `start` the thread opens the source, publishes `RunStarted`, each packet and `RunEnded`, closes the source and
    calls `on_end`. The owner may read the attributes at any time: each is replaced as a whole, never changed in place.
    `stop` asks the thread to end; `abandon` publishes the end in place of a thread that hangs in a read, and silences it.
    """

    def __init__(
        self,
        make_source: Callable[[], Source],
        feed: Feed,
        *,
        clock: Clock,
        run_clock: Callable[[], RunClock],
    ) -> None:
        self._make_source = make_source
        self._source: Source | None = None
        self._feed = feed
        self._clock = clock
        self._make_run_clock = run_clock
        self._run_clock: RunClock | None = None
        self._lock = threading.Lock()
        self._over = False
        self._in_run = False
        self._stopping = False
        self._sets = b""
        self._dropped = 0
        self._last_dts_90k: int | None = None
        self._waiting_for_key = True
        self._run_reason = ""
        self._opened_ns = 0
        self._second_ns: int | None = None
        self._second_frames = 0
        self._second_bytes = 0
        self.ended = False
        self.info: StreamInfo | None = None
        self.last_arrival_ns = 0
        self.rates = Rates()
        self.outcome: tuple[CameraError, str] = (CameraError.ENDED, "")

    def start(self, on_end: Callable[[], object], *, name: str) -> None:
        """Starts the thread; it calls `on_end` as its last action."""
        threading.Thread(target=self._run, args=(on_end,), name=name, daemon=True).start()

    def stop(self) -> None:
        """Asks the thread to end, and aborts its source."""
        self._stopping = True
        self._end(None, "")
        if self._source is not None:
            self._source.abort()

    def abandon(self, error: CameraError, detail: str) -> None:
        """Ends the connection for its subscribers although the thread hangs."""
        self.outcome = (error, detail)
        self._end(error, detail)
        self.stop()

    def lasted_s(self) -> float:
        """Returns for how long packets have arrived, in seconds."""
        return max(0.0, (self.last_arrival_ns - self._opened_ns) / 1e9) if self._opened_ns else 0.0

    def take_dropped(self) -> int:
        """Returns and resets the number of packets that subscribers have lost."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def video_format(self) -> VideoFormat | None:
        """Returns the video format for the wire, once a key frame has been parsed."""
        info = self.info
        picture = describe(self._sets, info.video.codec) if info else None
        if info is None or picture is None:
            return None
        return VideoFormat(
            codec=info.video.codec,
            codec_string=picture.codec_string,
            width=picture.width,
            height=picture.height,
            fps=round(info.video.fps, 3),
        )

    def audio_format(self) -> AudioFormat | None:
        """Returns the format in which sound is recorded, or None if it is not."""
        audio = self.info.audio if self.info else None
        return recorded_as(audio) if audio is not None else None

    def audio_problem(self) -> str:
        """Returns why the camera's sound is not recorded; empty if it is, or there is none."""
        audio = self.info.audio if self.info else None
        if audio is None or recorded_as(audio) is not None:
            return ""
        return f"its sound ({audio.codec or 'unknown'}) cannot be recorded"

    def clock_estimate(self) -> ClockEstimate | None:
        """Returns the current estimate of the media clock in UTC."""
        return self._run_clock.estimate() if self._run_clock else None

    def _run(self, on_end: Callable[[], object]) -> None:
        try:
            self._read()
        except CameraFailed as error:
            self._finish(error.error, error.detail)
        except CredentialsUnreadable as error:
            self._finish(CameraError.CREDENTIALS_UNREADABLE, str(error))
        except AgentError as error:
            self._finish(CameraError.BAD_DATA, str(error))
        except Exception as error:  # the thread's shell: the failure is logged, and the camera is retried
            log.exception("reading a camera failed unexpectedly")
            self._finish(CameraError.BAD_DATA, type(error).__name__)
        else:
            self._finish(CameraError.ENDED, "the camera closed the stream")
        finally:
            try:
                if self._source is not None:
                    self._source.close()
            except Exception:  # otherwise the camera would count this thread as hanging for ever
                log.exception("a connection could not be closed")
            self.ended = True
            on_end()

    def _read(self) -> None:
        source = self._source = self._make_source()
        if self._stopping:
            return
        info = source.open()
        self._opened_ns = self.last_arrival_ns = self._clock.monotonic_ns()
        self._sets = info.video.parameter_sets
        self.info = info
        self._run_reason = "connected"
        for packet in source.packets():
            self.last_arrival_ns = packet.arrival_ns
            if not self._handle(packet):
                return

    def _handle(self, packet: MediaPacket) -> bool:
        """Publishes one packet; False when this reader is over."""
        if packet.kind is Kind.VIDEO:
            self._count(packet)
            if packet.keyframe and self.info is not None:
                self._handle_key_frame(packet, self.info)
            elif self._jumped(packet):
                self._waiting_for_key, self._run_reason = True, "clock_step"
            self._last_dts_90k = packet.dts_90k
        # Packets before the first key frame of a run, or after a jump, cannot be decoded.
        if self._waiting_for_key:
            return not self._over
        stepped = (
            packet.kind is Kind.VIDEO and self._run_clock is not None and self._run_clock.observe(packet)
        )
        if stepped and not self._run_reason:
            self._run_reason = "clock_step"
        return self._publish(packet)

    def _handle_key_frame(self, packet: MediaPacket, info: StreamInfo) -> None:
        codec = info.video.codec
        sets = parameter_sets(memoryview(packet.data)[:16384], codec)
        if sets and sets != self._sets:
            before, after = describe(self._sets, codec), describe(sets, codec)
            self._sets = sets
            if after is not None:
                video = msgspec.structs.replace(
                    info.video, width=after.width, height=after.height, parameter_sets=sets
                )
                info = self.info = msgspec.structs.replace(info, video=video)
            if before is not None and before != after and not self._run_reason:
                self._run_reason = "format_change"
        if self._jumped(packet) and not self._run_reason:
            self._run_reason = "clock_step"
        if self._run_reason:
            self._begin_run(info)
        self._waiting_for_key = False

    def _jumped(self, packet: MediaPacket) -> bool:
        last = self._last_dts_90k
        return last is not None and not -BACK_90K < packet.dts_90k - last < JUMP_90K

    def _begin_run(self, info: StreamInfo) -> None:
        self._run_clock = self._make_run_clock()
        because, self._run_reason = self._run_reason, ""
        log.info(
            "a run of a camera starts", extra={"because": because, "reader": threading.current_thread().name}
        )
        with self._lock:
            if self._over:
                return
            if self._in_run:
                self._feed.publish(RunEnded(None, because))
            self._in_run = True
            self._feed.publish(RunStarted(info, self._run_clock, because))

    def _publish(self, packet: MediaPacket) -> bool:
        with self._lock:
            if self._over:
                return False
            self._dropped += self._feed.publish(packet)
            return True

    def _finish(self, error: CameraError, detail: str) -> None:
        with self._lock:
            if not self._over:
                self.outcome = (error, detail)
        self._end(error, detail)

    def _end(self, error: CameraError | None, detail: str) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
            if self._in_run:
                self._feed.publish(RunEnded(error, detail))

    def _count(self, packet: MediaPacket) -> None:
        if self._second_ns is None:
            # The first picture may arrive seconds after the connection: the first second starts with it.
            self._second_ns = packet.arrival_ns
            return
        self._second_frames += 1
        self._second_bytes += packet.size_bytes
        elapsed_ns = packet.arrival_ns - self._second_ns
        if elapsed_ns >= 1_000_000_000:
            seconds = elapsed_ns / 1e9
            self.rates = Rates(
                round(self._second_frames / seconds, 1), round(self._second_bytes * 8 / seconds)
            )
            self._second_ns, self._second_frames, self._second_bytes = packet.arrival_ns, 0, 0
