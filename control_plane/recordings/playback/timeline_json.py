"""`timeline.json`: the description of a class for the player in the browser."""

from typing import Any

from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from control_plane.recordings.gap_reasons import label
from control_plane.recordings.models import ClassSession, Segment, Track
from control_plane.recordings.timeline import ClassTimeline, TrackTimeline

CLOCK_ORDER = ("rtcp_sr", "arrival")
"""Best first; the worst segment decides for a track."""


def timeline_json(class_session: ClassSession, timeline: ClassTimeline, folder: str) -> dict[str, Any]:
    """Returns the body of `timeline.json`; times in seconds, `media_t` in playlist time of the track.

    Lists the tracks of `timeline` only: a part of a class may have fewer.

    Args:
        folder: the URL of the class, which the URLs of `timeline.json` and of the playlists start with.
    """
    start_at = timeline.start_at or class_session.started_at or class_session.requested_at
    return {
        "class": {
            "id": str(class_session.id),
            "title": class_session.title,
            "start_at": start_at.isoformat().replace("+00:00", "Z"),
            "duration_s": _seconds(timeline.duration_us),
            "state": class_session.state,
        },
        "tracks": [
            _track(track, timeline.tracks[track.id], folder)
            for track in class_session.tracks.all()
            if track.id in timeline.tracks
        ],
    }


def _track(track: Track, timeline: TrackTimeline, folder: str) -> dict[str, Any]:
    segments = Segment.objects.filter(track=track)
    first: Segment | None = segments.order_by("sequence").defer("fragments_json", "wrapped_key").first()
    return {
        "id": str(track.id),
        "name": track.name,
        "position": track.position,
        "playlist_url": f"{folder}/tracks/{track.id}/playlist.m3u8",
        "video": first
        and {
            "codec": first.video_codec,
            "codec_string": first.video_codec_string,
            "width": first.width,
            "height": first.height,
            "fps": first.fps,
        },
        "audio": segments.exclude(audio_codec_string="").exists(),
        "clock": first and _clock(segments),
        "fragments": [
            [_seconds(item.class_us), _seconds(item.playlist_us), _seconds(item.duration_us)]
            for item in timeline.placed
        ],
        "gaps": [
            {
                "from_s": _seconds(span.from_us),
                "to_s": _seconds(span.to_us),
                "reason": span.reason,
                "label": label(span.reason),
            }
            for span in timeline.uncovered
        ],
    }


def _clock(segments: QuerySet[Segment]) -> dict[str, Any]:
    """Returns the worst clock of a track; provisional clocks count only in runs without a settled one."""
    run = {name: OuterRef(name) for name in ("class_session", "track", "agent", "run")}
    settled = Exists(Segment.objects.filter(**run, clock_provisional=False))
    segments = segments.exclude(Q(clock_provisional=True) & settled)
    methods = segments.order_by().values_list("clock_method", flat=True).distinct()
    worst = segments.aggregate(bound=Max("clock_error_bound_us"))
    return {
        "method": max(methods, key=CLOCK_ORDER.index),
        "error_bound_ms": worst["bound"] / 1000,
    }


def _seconds(us: int) -> float:
    return us / 1_000_000
