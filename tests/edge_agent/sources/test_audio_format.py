"""AAC set-up data, as cameras send it: in SDP (AudioSpecificConfig) and in ADTS headers."""

import pytest

from edge_agent.sources.audio_format import config_of_adts, setup_of

ADTS_44100_STEREO = bytes.fromhex("fff15080000000")
"""AAC-LC, 44.1 kHz, two channels, without a checksum."""


@pytest.mark.parametrize(
    ("config", "object_type", "rate_hz", "channels", "short"),
    [
        ("1210", 2, 44_100, 2, False),
        ("1408", 2, 16_000, 1, False),
        ("120c", 2, 44_100, 1, True),
        # HE-AAC: object type 5, core at 22.05 kHz, extension at 44.1 kHz.
        ("2b920800", 5, 22_050, 2, False),
    ],
)
def test_set_up_data_is_read(config: str, object_type: int, rate_hz: int, channels: int, short: bool) -> None:
    found = setup_of(bytes.fromhex(config))
    assert found is not None
    assert (found.object_type, found.rate_hz) == (object_type, rate_hz)
    assert (found.channels, found.short) == (channels, short)


@pytest.mark.parametrize("config", ["", "12", "f8", "1780"])
def test_set_up_data_that_is_cut_short_or_unknown_is_refused(config: str) -> None:
    assert setup_of(bytes.fromhex(config)) is None


def test_an_adts_header_gives_the_same_set_up_as_sdp() -> None:
    assert config_of_adts(ADTS_44100_STEREO) == bytes.fromhex("1210")


@pytest.mark.parametrize(
    "header",
    [
        ADTS_44100_STEREO[:6],  # too short
        b"\xfe" + ADTS_44100_STEREO[1:],  # no syncword
        bytes.fromhex("fff17480000000"),  # rate index 13, reserved
        bytes.fromhex("fff15000000000"),  # channels described in the stream itself
    ],
)
def test_an_adts_header_without_a_usable_set_up_gives_none(header: bytes) -> None:
    assert config_of_adts(header) == b""
