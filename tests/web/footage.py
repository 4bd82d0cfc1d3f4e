"""Encrypted HLS that carries its own truth: every picture shows its frame number as sixteen black or white blocks.

The scheme is the product's own (one object per track, AES-128-CBC fragments with explicit IVs, clear init section), so
the player is tried against what it will meet, without a control plane behind it.
"""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import av
import numpy as np
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

FPS = 30
GOP = 30
BLOCK = 20
BITS = 16
START_AT = datetime(2026, 11, 21, 12, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Footage:
    """Footage of one camera: an init section, encrypted fragments in one object, and where each lies."""

    init: bytes
    content: bytes
    key: bytes
    pieces: tuple[tuple[int, int, bytes], ...]
    """Offset, size and IV of each fragment's ciphertext."""
    plain: tuple[bytes, ...] = ()
    """The fragments before they were encrypted."""
    inits: dict[int, bytes] = field(default_factory=dict)
    """Other init sections, by the first fragment that needs each of them."""

    def with_fragments(self, changed: Mapping[int, bytes]) -> "Footage":
        """Returns the same recording with some fragments replaced before encryption."""
        plain = [changed.get(index, piece) for index, piece in enumerate(self.plain)]
        return replace(seal(self.init, plain), inits=self.inits)


@dataclass(frozen=True)
class Scene:
    """One track of the fixture class: footage, and which of its fragments are missing."""

    name: str
    position: str
    footage: Footage
    late_s: float = 0.0
    """How much later than the class's zero the first picture is: cameras do not expose at one instant."""
    missing: frozenset[int] = field(default_factory=frozenset)
    audio: bool = True
    codec: str = "h264"


def _fragments(data: bytes) -> tuple[bytes, list[bytes]]:
    """Returns the init section and each moof+mdat of a fragmented mp4."""
    parts: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        parts.append((data[at + 4 : at + 8], data[at : at + size]))
        at += size
    init = b"".join(part for kind, part in parts if kind in {b"ftyp", b"moov"})
    media = [part for kind, part in parts if kind in {b"moof", b"mdat"}]
    return init, [moof + mdat for moof, mdat in zip(media[::2], media[1::2], strict=True)]


def _picture(number: int, tint: tuple[int, int, int], width: int, height: int) -> np.ndarray:
    rows = np.linspace(0.55, 0.12, height)[:, None, None]
    image = (np.array(tint)[None, None, :] * rows * np.ones((height, width, 1))).astype(np.uint8)
    image[int(height * 0.78) :] = (image[int(height * 0.78) :] * 1.9).clip(0, 255).astype(np.uint8)
    angle = number / FPS * 2.4
    centre_x = int(width / 2 + width * 0.28 * np.sin(angle))
    centre_y = int(height * 0.55 - abs(np.sin(angle * 2)) * height * 0.12)
    yy, xx = np.ogrid[:height, :width]
    image[(xx - centre_x) ** 2 + (yy - centre_y + height // 6) ** 2 < (height // 18) ** 2] = (250, 240, 225)
    image[((xx - centre_x) / (height / 14)) ** 2 + ((yy - centre_y) / (height / 7)) ** 2 < 1] = tint
    for bit in range(BITS):
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 if number >> bit & 1 else 0
    return image


def film(
    seconds: int,
    *,
    tint: tuple[int, int, int],
    width: int = 640,
    height: int = 360,
    audio: bool = True,
    codec: str = "libx264",
) -> Footage:
    """Returns `seconds` of footage at 30 pictures a second, a key frame and a fragment each second."""
    sink = io.BytesIO()
    container = av.open(
        sink,
        "w",
        format="mp4",
        options={
            "movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer+negative_cts_offsets+frag_discont"
        },
    )
    video: Any = container.add_stream(codec, rate=FPS, options={"preset": "ultrafast", "crf": "26"})
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.codec_context.gop_size = GOP
    video.codec_context.options = {
        "preset": "ultrafast",
        f"{codec[3:]}-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:log-level=none",
    }
    video.codec_context.time_base = Fraction(1, FPS)
    sound: Any = container.add_stream("aac", rate=48_000, layout="mono") if audio else None
    container.start_encoding()
    samples_done = 0
    packets: list[Any] = []
    for number in range(seconds * FPS):
        frame = av.VideoFrame.from_ndarray(_picture(number, tint, width, height), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        packets += video.encode(frame)
        while sound is not None and samples_done < (number + 1) * 48_000 // FPS:
            at = (np.arange(1024) + samples_done) / 48_000
            click = np.sin(2 * np.pi * 440 * at) * np.exp(-((at % 0.5) * 30)) * 0.4
            piece = av.AudioFrame.from_ndarray(
                click.astype(np.float32)[None, :], format="fltp", layout="mono"
            )
            piece.sample_rate, piece.pts, piece.time_base = 48_000, samples_done, Fraction(1, 48_000)
            packets += sound.encode(piece)
            samples_done += 1024
    packets += video.encode(None)
    if sound is not None:
        packets += sound.encode(None)
    packets.sort(key=lambda packet: packet.dts * packet.time_base if packet.dts is not None else 0)
    for packet in packets:
        container.mux_one(packet)
    container.close()
    return seal(*_fragments(sink.getvalue()))


def seal(init: bytes, plain: list[bytes]) -> Footage:
    """Returns fragments as they are stored: in one object, each with its own IV."""
    key = os.urandom(16)
    content = bytearray()
    pieces = []
    for piece in plain:
        iv = os.urandom(16)
        padder = padding.PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        sealed = encryptor.update(padder.update(piece) + padder.finalize()) + encryptor.finalize()
        pieces.append((len(content), len(sealed), iv))
        content += sealed
    return Footage(init, bytes(content), key, tuple(pieces), tuple(plain))


def playlist(scene: Scene, base: str) -> str:
    """Returns the HLS playlist of one scene as the control plane writes it."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:1",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        f'#EXT-X-MAP:URI="{base}/init.mp4"',
    ]
    for index, (offset, size, iv) in enumerate(scene.footage.pieces):
        at = START_AT + timedelta(seconds=index + scene.late_s)
        lines.append(
            f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
        )
        if index in scene.footage.inits:
            lines += [
                "#EXT-X-DISCONTINUITY",
                "#EXT-X-KEY:METHOD=NONE",
                f'#EXT-X-MAP:URI="{base}/init{index}.mp4"',
            ]
        if index in scene.missing:
            lines += ["#EXT-X-GAP", "#EXTINF:1.000000,", f"{base}/gap.m4s"]
            continue
        lines += [
            f'#EXT-X-KEY:METHOD=AES-128,URI="{base}/key",IV=0x{iv.hex()}',
            "#EXTINF:1.000000,",
            f"#EXT-X-BYTERANGE:{size}@{offset}",
            f"{base}/bytes.m4s",
        ]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def timeline(scenes: dict[str, Scene], *, duration_s: float) -> dict[str, object]:
    """Returns `timeline.json` of the fixture class."""
    return {
        "class": {
            "id": "0199aaaa-0000-7000-8000-000000000001",
            "title": "Contemporary, level 2",
            "start_at": START_AT.isoformat().replace("+00:00", "Z"),
            "duration_s": duration_s,
            "state": "replayable",
        },
        "tracks": [
            {
                "id": track_id,
                "name": scene.name,
                "position": scene.position,
                "playlist_url": f"/media/{track_id}/playlist.m3u8",
                "video": {"codec": scene.codec, "width": 640, "height": 360, "fps": float(FPS)},
                "audio": scene.audio,
                "clock": {"method": "rtcp_sr", "error_bound_ms": 0.6},
                "fragments": [
                    [index + scene.late_s, float(index), 1.0]
                    for index in range(len(scene.footage.pieces))
                    if index not in scene.missing
                ],
                "gaps": _gaps(scene),
            }
            for track_id, scene in scenes.items()
        ],
    }


def _gaps(scene: Scene) -> list[dict[str, object]]:
    gaps: list[dict[str, object]] = []
    for index in sorted(scene.missing):
        if gaps and gaps[-1]["to_s"] == index + scene.late_s:
            gaps[-1]["to_s"] = index + 1 + scene.late_s
        else:
            gaps.append(
                {
                    "from_s": index + scene.late_s,
                    "to_s": index + 1 + scene.late_s,
                    "reason": "camera_offline",
                    "label": "camera offline",
                }
            )
    return gaps
