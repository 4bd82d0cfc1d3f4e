"""The HLS playlist of one track; pure.

Source: RFC 8216 and its second edition (draft-pantos-hls-rfc8216bis): version 7, fMP4, AES-128 for whole fragments,
sections 4.4.4.4 (`EXT-X-KEY` also applies to later `EXT-X-MAP` lines, hence `METHOD=NONE` before each of them)
and 4.4.4.7 (`EXT-X-GAP`). URLs are relative to `.../tracks/<track>/playlist.m3u8`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from control_plane.common.turns import in_passing
from control_plane.recordings.timeline import Filler, PlacedFragment, TrackTimeline

CONTENT_TYPE = "application/vnd.apple.mpegurl"
MAX_FILLER_US = 10_000_000
MAX_FILLERS = 8640
"""Maximum in one playlist: a day of fillers of full length. An agent with a wrong clock may date its pictures decades apart,
a misbehaving one may do so between all fragments."""
GAP_URI = "gap.m4s"
"""URI of a filler, which does not exist; players that support `EXT-X-GAP` never request it."""


def write_playlist(track: TrackTimeline, *, start_at: datetime, complete: bool) -> str:
    """Returns the playlist of a track.

    Args:
        start_at: the instant of class time 0.
        complete: nothing more will be added. Otherwise the player reloads the playlist, whose entries must not change: so
            the last fragment is held back until its end is known, and the target duration leaves a margin for later ones.
    """
    entries = track.entries if complete else track.entries[:-1]
    pieces = _split(entries)
    longest_us = max((piece.extinf_us for piece in pieces), default=0)
    if not complete:
        longest_us = max(longest_us, MAX_FILLER_US)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(1, -(-longest_us // 1_000_000))}",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if complete else 'EVENT'}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    init = ""
    encrypted = False
    placed = track.placed
    if placed:
        # Before any filler: some players set up the decoder before the first picture.
        init = placed[0].init_sha256
        lines.append(_map_line(placed[0].segment_id))
    for piece in in_passing(pieces):
        if isinstance(piece, PlacedFragment):
            if piece.discontinuity:
                lines.append("#EXT-X-DISCONTINUITY")
            if piece.init_sha256 != init:
                init = piece.init_sha256
                lines += ["#EXT-X-KEY:METHOD=NONE"] if encrypted else []
                lines.append(_map_line(piece.segment_id))
            lines += _fragment_lines(piece, start_at)
            encrypted = True
        else:
            lines += [_date_line(piece.class_us, start_at), "#EXT-X-GAP", _extinf(piece), GAP_URI]
    if complete:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join([*lines, ""])


def _fragment_lines(piece: PlacedFragment, start_at: datetime) -> list[str]:
    row, folder = piece.row, f"../../segments/{piece.segment_id}"
    return [
        f'#EXT-X-KEY:METHOD=AES-128,URI="{folder}/key",IV=0x{row.iv}',
        _date_line(piece.class_us, start_at),
        _extinf(piece),
        f"#EXT-X-BYTERANGE:{row.size_bytes}@{row.offset_bytes}",
        f"{folder}/bytes.m4s",
    ]


def _split(entries: Sequence[PlacedFragment | Filler]) -> list[PlacedFragment | Filler]:
    """Splits long fillers, so that they do not inflate the target duration.

    All fillers share `MAX_FILLERS` pieces in order; when none are left, a filler stays whole. Only earlier entries decide,
    so a growing playlist never changes its earlier entries.
    """
    pieces: list[PlacedFragment | Filler] = []
    left = MAX_FILLERS
    for entry in entries:
        if isinstance(entry, PlacedFragment) or entry.extinf_us <= MAX_FILLER_US or left <= 1:
            pieces.append(entry)
            continue
        step_us = max(MAX_FILLER_US, -(-entry.extinf_us // left))
        offsets = range(0, entry.extinf_us, step_us)
        left -= len(offsets)
        pieces += [
            Filler(
                entry.playlist_us + offset,
                min(step_us, entry.extinf_us - offset),
                entry.class_us + offset,
            )
            for offset in offsets
        ]
    return pieces


def _map_line(segment_id: UUID) -> str:
    return f'#EXT-X-MAP:URI="init/{segment_id}.mp4"'


def _date_line(class_us: int, start_at: datetime) -> str:
    moment = (start_at + timedelta(microseconds=class_us)).isoformat(timespec="milliseconds")
    return f"#EXT-X-PROGRAM-DATE-TIME:{moment.replace('+00:00', 'Z')}"


def _extinf(piece: PlacedFragment | Filler) -> str:
    # Difference of rounded positions, so that rounding errors do not add up.
    return f"#EXTINF:{piece.extinf_us / 1_000_000:.6f},"
