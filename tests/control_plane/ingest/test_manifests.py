"""A manifest that could not be kept or dated is refused alone, by the name of its field."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from control_plane.ingest.manifests import invalid_reason
from shared.protocol.manifest import SegmentManifest
from tests.shared.examples import AUDIO, CLOCK, MANIFEST, VIDEO

FRAGMENT = MANIFEST.fragments[0]
SOUND: SegmentManifest = replace(
    MANIFEST,
    size_bytes=3_008,
    init=replace(MANIFEST.init, size_bytes=1_008),
    fragments=(replace(FRAGMENT, blob=replace(FRAGMENT.blob, size_bytes=2_000)),),
)


HOUR_90K = 3600 * 90_000


def of_two_fragments(pts_90k: int) -> SegmentManifest:
    """Returns a manifest whose second fragment begins so long after its first."""
    first = replace(FRAGMENT, blob=replace(FRAGMENT.blob, size_bytes=992), duration_90k=90_000)
    blob = replace(first.blob, offset_bytes=2_000, size_bytes=1_008)
    later = replace(first, blob=blob, pts_90k=first.pts_90k + pts_90k)
    return replace(SOUND, fragments=(first, later))


def test_fragments_that_span_more_than_an_hour_are_refused() -> None:
    """256 of them, each two weeks after the last, made a playlist of 196 MB."""
    assert invalid_reason(of_two_fragments(HOUR_90K - 90_000)) == ""
    assert invalid_reason(of_two_fragments(HOUR_90K)).startswith("fragments: they span")
    assert invalid_reason(of_two_fragments(14 * 24 * HOUR_90K)).startswith("fragments: they span")


def test_a_sound_manifest_has_no_fault() -> None:
    assert invalid_reason(SOUND) == ""


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sequence", {"sequence": 10**10}),
        ("init.size_bytes", {"init": replace(SOUND.init, size_bytes=(64 << 10) + 16)}),
        ("video.fps", {"video": replace(VIDEO, fps=1e300)}),
        ("fragments.frames", {"fragments": (replace(SOUND.fragments[0], frames=10**6),)}),
        ("codec_string", {"video": replace(VIDEO, codec_string="a" * 129)}),
        ("codec_string", {"audio": replace(AUDIO, transcoded_from="p" * 129)}),
        ("fragments", {"fragments": (replace(SOUND.fragments[0], duration_90k=HOUR_90K + 1),)}),
        ("run", {"run": 2**31}),
        ("audio.channels", {"audio": replace(AUDIO, channels=2**15)}),
        ("video.width", {"video": replace(VIDEO, width=2**40)}),
        ("audio.sample_rate_hz", {"audio": replace(AUDIO, sample_rate_hz=2**40)}),
        ("codec_string", {"video": replace(VIDEO, codec_string="avc1\0")}),
        ("clock.rate_ppb", {"clock": replace(CLOCK, rate_ppb=10**9)}),
        ("clock.anchor_at", {"clock": replace(CLOCK, anchor_at=datetime(1970, 1, 1, tzinfo=UTC))}),
        ("clock.anchor_at", {"clock": replace(CLOCK, anchor_at=datetime(2026, 1, 1))}),  # noqa: DTZ001
        ("pts_90k", {"clock": replace(CLOCK, anchor_pts_90k=2**62)}),
        ("pts_90k", {"fragments": (replace(SOUND.fragments[0], pts_90k=-(2**62)),)}),
        ("fragments", {"fragments": (replace(SOUND.fragments[0], duration_90k=2**62),)}),
        ("size_bytes", {"size_bytes": 3_024}),
    ],
)
def test_a_value_beyond_what_can_be_kept_or_dated_is_named(name: str, changes: dict[str, Any]) -> None:
    assert invalid_reason(replace(SOUND, **changes)).startswith(name)
