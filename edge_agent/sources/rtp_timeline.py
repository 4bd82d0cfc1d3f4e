"""The RTP timeline of a stream, recovered from FFmpeg's timestamps. Integers only; pure.

FFmpeg derives `pts` from RTP time until the first sender report. Afterwards, with several streams, it derives them from
the camera's wall clock, so that pts jump when that clock steps. The RTP time can be recovered exactly: FFmpeg computed a
packet's wall time (`prft`) from the newest sender report, so `sr.rtp + (prft - sr.ntp) * rate` inverts it, step or no step.
"""

_WRAP = 1 << 32


class RtpTimeline:
    """Unwrapped RTP time of one stream, in ticks of its own rate; starts at the pts of the first packet.

    Before sender reports, differences of pts are RTP differences. For the first two packets with a wall time only the frame
    duration is trusted: the first wall time belongs to the next frame (FFmpeg's parser holds a frame until the next one
    starts), and pts may jump there.
    """

    def __init__(self, rate_hz: int, *, wraps: bool = False) -> None:
        """Args:
        rate_hz: ticks per second.
        wraps: whether times are 32-bit RTP times, which FFmpeg unwraps in its own way.
        """
        self._rate_hz = rate_hz
        self._wraps = wraps
        self._value: int | None = None
        self._pts: int | None = None
        self._rtp: int | None = None
        self._sender_times = 0
        self._report: tuple[int, int] | None = None
        self.reports = 0

    def report(self, rtp: int, ntp_us: int) -> None:
        """Adds a sender report: its RTP time, and its wall time in microseconds since 1970."""
        if self._report != (rtp, ntp_us):
            self._report = (rtp, ntp_us)
            self.reports += 1

    def place(self, pts: int | None, duration: int, sender_us: int | None) -> int:
        """Returns the packet's position on the timeline.

        Args:
            pts: FFmpeg's pts in ticks of the stream's rate; None if it has none.
            duration: the packet's duration in the same ticks.
            sender_us: the packet's wall time; None if it has none.
        """
        step = self._step(pts, duration, sender_us)
        self._value = (pts or 0) if self._value is None else self._value + step
        self._pts = pts
        return self._value

    def _step(self, pts: int | None, duration: int, sender_us: int | None) -> int:
        by_pts = pts - self._pts if pts is not None and self._pts is not None else duration
        if self._wraps:
            by_pts = (by_pts + _WRAP // 2) % _WRAP - _WRAP // 2
        if sender_us is None or self._report is None:
            self._rtp = None
            self._sender_times = 0
            return by_pts
        rtp = self._raw(sender_us, *self._report)
        self._sender_times += 1
        before, self._rtp = self._rtp, rtp
        if self._sender_times > 2 and before is not None:
            step = (rtp - before + _WRAP // 2) % _WRAP - _WRAP // 2
            if abs(step) < 60 * self._rate_hz:
                return step
        off = abs(by_pts - duration)
        # A difference near the frame duration is jitter of the wall clock, a large one a jump of pts: the duration replaces
        # both. In between the camera really skipped time.
        return by_pts if self._rate_hz // 50 < off <= self._rate_hz // 2 else duration

    def _raw(self, sender_us: int, rtp: int, ntp_us: int) -> int:
        ticks = ((sender_us - ntp_us) * self._rate_hz * 2 + 1_000_000) // 2_000_000
        return (rtp + ticks) % _WRAP


class AudioOffset:
    """The offset of the sound on the video timeline, from the camera's wall clock.

    Each stream has its own RTP clock; the wall times of their sender reports relate them. Until both have settled, FFmpeg's
    alignment is kept. The offset changes once three consecutive readings agree within 5 ms, and only by an audible amount,
    because each change is a click in the sound.
    """

    AGREE_90K = 450
    WORTH_90K = 1800
    READINGS = 3

    def __init__(self) -> None:
        self.shift_90k = 0
        self._video: tuple[int, int] | None = None
        self._readings: list[int] = []

    def video(self, pts_90k: int, sender_us: int) -> None:
        """Adds a picture with a wall time."""
        self._video = (pts_90k, sender_us)

    def audio(self, pts_90k: int, sender_us: int) -> None:
        """Adds a sound packet with a wall time, by its own timeline; called once per sender report."""
        if self._video is None:
            return
        video_90k, video_us = self._video
        wanted = video_90k + ((sender_us - video_us) * 9 + 50) // 100 - pts_90k
        self._readings = [*self._readings, wanted][-self.READINGS :]
        if len(self._readings) < self.READINGS or max(self._readings) - min(self._readings) > self.AGREE_90K:
            return
        if abs(wanted - self.shift_90k) > self.WORTH_90K:
            self.shift_90k = wanted
