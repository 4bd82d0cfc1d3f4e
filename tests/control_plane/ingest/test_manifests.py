"""A manifest that could not be kept or dated is refused alone, by the name of its field."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from control_plane.ingest.manifests import fault
from shared.protocol.manifest import SegmentManifest
from tests.shared.examples import AUDIO, CLOCK, MANIFEST, VIDEO

FRAGMENT = MANIFEST.fragments[0]
SOUND: SegmentManifest = replace(
    MANIFEST,
    size_bytes=3_008,
    init=replace(MANIFEST.init, size_bytes=1_008),
    fragments=(replace(FRAGMENT, blob=replace(FRAGMENT.blob, size_bytes=2_000)),),
)


def test_a_sound_manifest_has_no_fault() -> None:
    assert fault(SOUND) == ""


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sequence", {"sequence": 2**63}),
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
        ("pts_90k", {"fragments": (replace(SOUND.fragments[0], duration_90k=2**62),)}),
        ("size_bytes", {"size_bytes": 3_024}),
    ],
)
def test_a_value_beyond_what_can_be_kept_or_dated_is_named(name: str, changes: dict[str, Any]) -> None:
    assert fault(replace(SOUND, **changes)).startswith(name)
