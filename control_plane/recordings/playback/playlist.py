"""The HLS playlist of one track; pure.

Source: RFC 8216 and its second edition (draft-pantos-hls-rfc8216bis): version 7, fMP4, AES-128 for whole fragments,
sections 4.4.4.4 (`EXT-X-KEY` also covers the `EXT-X-MAP` lines behind it, hence `METHOD=NONE` before each further one)
and 4.4.4.7 (`EXT-X-GAP`). Addresses are relative to `.../tracks/<track>/playlist.m3u8`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from control_plane.common.turns import in_passing
from control_plane.recordings.timeline import Filler, PlacedFragment, TrackTimeline

CONTENT_TYPE = "application/vnd.apple.mpegurl"
MAX_FILLER_US = 10_000_000
MAX_FILLERS = 8640
"""In one whole playlist: a day of the longest. An agent that began without the right time dates its pictures decades
apart, and one that lies does so between all of its fragments."""
GAP_URI = "gap.m4s"
"""The address of what does not exist; players that know `EXT-X-GAP` never ask for it."""


def write_playlist(track: TrackTimeline, *, start_at: datetime, complete: bool) -> str:
    """Returns the playlist of a track, to be given to one viewer.

    Args:
        start_at: the instant of class time 0.
        complete: nothing more will be added; otherwise the player asks again, and finds what it knows unchanged: the
            last fragment waits for the one that says where it ends, and no target duration is too short for later.
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
        # Before any filler: a player may want the decoder set up before it meets the first picture.
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
    """Returns the entries, long fillers cut so that they do not blow up the target duration.

    Each filler takes its pieces from what those before it have left of `MAX_FILLERS`; where nothing is left it stays
    whole. Only what stands before a filler decides, so a playlist that grows never changes what it said before.
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
    # From the difference of rounded places, so that rounding never adds up.
    return f"#EXTINF:{piece.extinf_us / 1_000_000:.6f},"
