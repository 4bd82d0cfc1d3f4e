"""The media timeline of an RTSP stream, recovered from what FFmpeg tells of it. Pure integers.

FFmpeg gives `pts` from RTP time until a sender report comes; from then on, where there are several streams, from the
camera's wall clock: when that clock steps, pts jumps. The raw RTP time can be had back exactly: a packet's wall time
(`prft`) was computed from the newest sender report, so `sr.rtp + (prft - sr.ntp) * rate` undoes it, step or no step.
"""

_WRAP = 1 << 32


class RtpTimeline:
    """Unwrapped RTP time of one stream, in ticks of its own rate; the first packet stands where its pts says.

    Before sender reports pts is raw RTP time and its differences are used. Over the first two packets with a wall time
    nothing is trusted but the pace: the first one's wall time is that of the next frame (FFmpeg's parser holds a frame
    until the next begins), and pts may jump there.
    """

    def __init__(self, rate_hz: int, *, wraps: bool = False) -> None:
        """Args:
        rate_hz: ticks of a second.
        wraps: whether the times are 32 bits of RTP, which FFmpeg carries on with its own idea of where they wrapped.
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
        """Takes a sender report: its RTP time, and its wall time in microseconds since 1970."""
        if self._report != (rtp, ntp_us):
            self._report = (rtp, ntp_us)
            self.reports += 1

    def place(self, pts: int | None, duration: int, sender_us: int | None) -> int:
        """Returns the packet's place on the timeline.

        Args:
            pts: FFmpeg's, in ticks of the stream's rate; None where it has none.
            duration: the packet's own, in the same ticks.
            sender_us: its wall time, where it carries one.
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
        # Close to the pace it is the wall clock's own small error; far from it, a jump. Between, the camera's doing.
        return by_pts if self._rate_hz // 50 < off <= self._rate_hz // 2 else duration

    def _raw(self, sender_us: int, rtp: int, ntp_us: int) -> int:
        ticks = ((sender_us - ntp_us) * self._rate_hz * 2 + 1_000_000) // 2_000_000
        return (rtp + ticks) % _WRAP


class AudioOffset:
    """Where the sound stands on the picture's timeline, by the camera's own wall clock.

    Each stream has an RTP clock of its own; what ties them is the wall time in their sender reports. Until both have
    settled, FFmpeg's start is kept. A shift is taken once three readings in a row agree within 5 ms, and only when it
    is worth hearing: each one is a tick in the sound.
    """

    AGREE_90K = 450
    WORTH_90K = 1800
    READINGS = 3

    def __init__(self) -> None:
        self.shift_90k = 0
        self._video: tuple[int, int] | None = None
        self._readings: list[int] = []

    def video(self, pts_90k: int, sender_us: int) -> None:
        """Takes a dated picture."""
        self._video = (pts_90k, sender_us)

    def audio(self, pts_90k: int, sender_us: int) -> None:
        """Takes a dated piece of sound, by its own timeline; called once for each sender report."""
        if self._video is None:
            return
        video_90k, video_us = self._video
        wanted = video_90k + ((sender_us - video_us) * 9 + 50) // 100 - pts_90k
        self._readings = [*self._readings, wanted][-self.READINGS :]
        if len(self._readings) < self.READINGS or max(self._readings) - min(self._readings) > self.AGREE_90K:
            return
        if abs(wanted - self.shift_90k) > self.WORTH_90K:
            self.shift_90k = wanted
