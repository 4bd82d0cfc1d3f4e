"""Builds segment rows from manifests and object locations."""

from typing import NamedTuple
from uuid import UUID

import msgspec

from control_plane.fleet.models import Agent
from control_plane.recordings.fragments import FragmentRow
from control_plane.recordings.models import ClassSession, Segment, Track
from shared.protocol.manifest import SegmentManifest

MAX_INIT_BYTES = 64 << 10
"""Largest init section. Measured with AAC: 1.3 kB for H.264, 3.6 kB for H.265. Agents search only the first 16 kB of a key
frame for parameter sets."""


class ObjectLocation(NamedTuple):
    """The store of an object (None: the platform's own) and its key."""

    store_id: UUID | None
    key: str


def segment_from_manifest(
    class_session: ClassSession,
    agent: Agent,
    track: Track | None,
    manifest: SegmentManifest,
    place: ObjectLocation,
    wrapped_key: bytes,
) -> Segment:
    """Returns the unsaved row of a committed segment.

    Args:
        track: the track of the segment (`services.track_for`).
        wrapped_key: its content key, wrapped with the class key.
    """
    video, audio, clock = manifest.video, manifest.audio, manifest.clock
    rows = tuple(
        FragmentRow(
            offset_bytes=item.blob.offset_bytes,
            size_bytes=item.blob.size_bytes,
            iv=item.blob.iv.hex(),
            sha256=item.blob.sha256,
            pts_90k=item.pts_90k,
            duration_90k=item.duration_90k,
            frames=item.frames,
        )
        for item in manifest.fragments
    )
    return Segment(
        id=manifest.segment_id,
        studio_id=class_session.studio_id,
        class_session=class_session,
        track=track,
        agent=agent,
        camera_id=manifest.camera_id,
        sequence=manifest.sequence,
        run=manifest.run,
        store_id=place.store_id,
        object_key=place.key,
        size_bytes=manifest.size_bytes,
        sha256=manifest.sha256,
        wrapped_key=wrapped_key,
        init_offset_bytes=manifest.init.offset_bytes,
        init_size_bytes=manifest.init.size_bytes,
        init_iv=manifest.init.iv,
        init_sha256=manifest.init_sha256,
        video_codec=video.codec,
        video_codec_string=video.codec_string[:64],
        width=video.width,
        height=video.height,
        fps=video.fps,
        audio_codec_string=audio.codec_string[:64] if audio else "",
        audio_sample_rate_hz=audio.sample_rate_hz if audio else None,
        audio_channels=audio.channels if audio else None,
        audio_transcoded_from=audio.transcoded_from[:40] if audio else "",
        clock_method=clock.method.value,
        clock_anchor_pts_90k=clock.anchor_pts_90k,
        clock_anchor_at=clock.anchor_at,
        clock_rate_ppb=clock.rate_ppb,
        clock_error_bound_us=clock.error_bound_us,
        clock_provisional=clock.provisional,
        fragments_json=msgspec.json.encode(rows).decode(),
        closed_at=manifest.closed_at,
        recovered=manifest.recovered,
    )
