"""Progress of one track as the spool stores it, and the sound that its init sections declare; pure."""

from datetime import datetime

import msgspec

from shared.protocol.media import AudioFormat


class AudioPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One AAC configuration. `config` is the AudioSpecificConfig; the rate is that of the core, in Hz."""

    config: bytes
    codec_string: str
    sample_rate_hz: int
    channels: int

    def format(self, transcoded_from: str) -> AudioFormat:
        """Returns the plan as the wire has it."""
        return AudioFormat(
            codec_string=self.codec_string,
            sample_rate_hz=self.sample_rate_hz,
            channels=self.channels,
            transcoded_from=transcoded_from,
        )


class AudioDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The sound that all runs of one track declare, or none at all. The first run of the class decides."""

    plan: AudioPlan | None


class TrackProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one track is covered: every instant before `until_at` is in a segment or in a gap.

    `sound` is the sound that the track's init sections declare; None: no run has begun.
    """

    until_at: datetime | None = None
    run: int = -1
    finished: bool = False
    sound: AudioDecision | None = None
