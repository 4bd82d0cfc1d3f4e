"""Validates manifests and gaps by themselves, without the database. Pure."""

import itertools
from datetime import UTC, datetime

import msgspec

from control_plane.recordings.segment_factory import MAX_INIT_BYTES
from control_plane.storage.objects import LARGEST_BYTES
from shared.protocol.manifest import GapRecord, SegmentManifest

MAX_SMALL_INTEGER, MAX_INTEGER = 2**15 - 1, 2**31 - 1
"""Largest values of the database columns."""
MAX_SEQUENCE = 10**10 - 1
"""Largest sequence number: the agent's file names have ten digits. At a segment per second it lasts 300 years."""
MAX_SEGMENT_90K = 90_000 * 3600
"""Longest duration of a segment. The longest of an agent is 250 fragments of 8 s, from a camera without key frames."""
MAX_FRAMES = 100_000
MAX_FPS = 1_000_000
MAX_TEXT_LENGTH = 128
"""Longest codec name; the columns keep 64 and 40 characters."""
MAX_PTS_90K = 90_000 * 86_400 * 3660
"""Ten years of media time: longer than any run, and date arithmetic cannot overflow."""
MAX_RATE_PPB = 1_000_000
"""A thousand times the drift of crystals."""
YEARS = range(2000, 2200)
BLOCK_BYTES = 16


def invalid_reason(manifest: SegmentManifest) -> str:
    """Returns the first error of a manifest, with the name of the field; empty if it is valid.

    The blobs must cover the object from its first byte to its last, each a whole number of AES blocks. The fragments must
    follow each other in media time.
    """
    if manifest.size_bytes > LARGEST_BYTES:
        return f"size_bytes: {manifest.size_bytes} is over {LARGEST_BYTES}"
    if manifest.init.size_bytes > MAX_INIT_BYTES:
        return f"init.size_bytes: {manifest.init.size_bytes} is over {MAX_INIT_BYTES}"
    at = 0
    blobs = [("init", manifest.init)]
    blobs += [(f"fragments[{index}].blob", item.blob) for index, item in enumerate(manifest.fragments)]
    for name, blob in blobs:
        if blob.offset_bytes != at:
            return f"{name}.offset_bytes: {blob.offset_bytes} where {at} was expected"
        if blob.size_bytes % BLOCK_BYTES:
            return f"{name}.size_bytes: {blob.size_bytes} is no whole number of {BLOCK_BYTES}-byte blocks"
        at += blob.size_bytes
    if at != manifest.size_bytes:
        return f"size_bytes: {manifest.size_bytes}, but the blobs end at {at}"
    pts = [item.pts_90k for item in manifest.fragments]
    if any(later <= earlier for earlier, later in itertools.pairwise(pts)):
        return "fragments: their pts_90k do not rise"
    # A playlist has one filler for every ten seconds between fragments.
    span = max(item.pts_90k + item.duration_90k for item in manifest.fragments) - pts[0]
    if span > MAX_SEGMENT_90K:
        return f"fragments: they span {span} ticks of 90 kHz, over {MAX_SEGMENT_90K}"
    return _out_of_range_value(manifest)


def normalized_gap(gap: GapRecord) -> GapRecord | None:
    """Returns a gap with UTC times (a missing time zone means UTC); None if its year is impossible."""
    from_at, to_at = (_in_utc(moment_at) for moment_at in (gap.from_at, gap.to_at))
    if from_at.year not in YEARS or to_at.year not in YEARS:
        return None
    return msgspec.structs.replace(gap, from_at=from_at, to_at=to_at)


def _in_utc(moment_at: datetime) -> datetime:
    return moment_at if moment_at.tzinfo else moment_at.replace(tzinfo=UTC)


def _out_of_range_value(manifest: SegmentManifest) -> str:
    """Returns the first value that cannot be stored or dated; without this check it would fail the whole batch."""
    video, audio, clock = manifest.video, manifest.audio, manifest.clock
    for name, moment_at in (("clock.anchor_at", clock.anchor_at), ("closed_at", manifest.closed_at)):
        if moment_at.tzinfo is None:
            return f"{name}: the time zone is missing"
        if moment_at.year not in YEARS:
            return f"{name}: the year {moment_at.year} is out of range"
    counts = {
        "sequence": (manifest.sequence, MAX_SEQUENCE),
        "run": (manifest.run, MAX_INTEGER),
        "video.width": (video.width, MAX_INTEGER),
        "video.height": (video.height, MAX_INTEGER),
        "audio.sample_rate_hz": (audio.sample_rate_hz if audio else 0, MAX_INTEGER),
        "audio.channels": (audio.channels if audio else 0, MAX_SMALL_INTEGER),
        "clock.error_bound_us": (clock.error_bound_us, MAX_INTEGER),
        "video.fps": (video.fps, MAX_FPS),
        "fragments.frames": (max(item.frames for item in manifest.fragments), MAX_FRAMES),
    }
    for name, (value, largest) in counts.items():
        if value > largest:
            return f"{name}: {value} is over {largest}"
    if abs(clock.rate_ppb) > MAX_RATE_PPB:
        return f"clock.rate_ppb: {clock.rate_ppb} is over {MAX_RATE_PPB} in absolute value"
    times = [clock.anchor_pts_90k, *(item.pts_90k for item in manifest.fragments)]
    times += [item.duration_90k for item in manifest.fragments]
    if max(abs(value) for value in times) > MAX_PTS_90K:
        return f"pts_90k: a time is over {MAX_PTS_90K} in absolute value"
    texts = (video.codec_string, audio.codec_string if audio else "", audio.transcoded_from if audio else "")
    if any("\0" in text for text in texts):
        return "codec_string: contains a NUL character"
    if max(len(text) for text in texts) > MAX_TEXT_LENGTH:
        return f"codec_string: longer than {MAX_TEXT_LENGTH} characters"
    return ""
