"""What the init sections of one track promise of sound, the same for the whole class; pure."""

from datetime import datetime

import msgspec

from shared.protocol.media import AudioFormat


class AudioPlan(msgspec.Struct, frozen=True, kw_only=True):
    """AAC of one set-up. `config` is its AudioSpecificConfig; the rate is that of the core, in Hz."""

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
    """What all runs of one track promise: a plan, or no sound at all. The first run of the class makes it."""

    plan: AudioPlan | None


class TrackProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one track is accounted for: every instant before `until_at` is in a segment or in a gap.

    `sound` is what the track's init sections promise; None: no run has begun.
    """

    until_at: datetime | None = None
    run: int = -1
    finished: bool = False
    sound: AudioDecision | None = None
