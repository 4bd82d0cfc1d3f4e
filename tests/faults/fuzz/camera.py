"""Input from cameras: parameter sets, times, packets. A camera may send anything; the agent goes on recording the others."""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache

from edge_agent.capture.reader import JUMP_90K
from edge_agent.errors import CameraFailed
from edge_agent.recording.run_muxer import RunMuxer
from edge_agent.sources.authentication import Authenticator
from edge_agent.sources.file_source import FileSource
from edge_agent.sources.packet import AudioTrack, Kind, MediaPacket, StreamInfo
from edge_agent.sources.parameter_sets import Codec, continues_picture, describe, parameter_sets
from edge_agent.sources.rtp_timeline import AudioOffset, RtpTimeline
from edge_agent.sources.rtsp.exchange import RtspExchange
from edge_agent.spool.wall_clock import utc_of_pts
from edge_agent.sync.clock_map import ClockMap
from edge_agent.sync.utc_reference import UtcReference
from shared.kernel.clock import FakeClock
from shared.kernel.timebase import TICKS_PER_S
from shared.protocol.codec import decode, encode
from shared.protocol.config import Credentials
from shared.protocol.media import ClockEstimate, VideoFormat
from tests.faults.fuzz.target import Pieces, Target, expect, folder
from tests.media import make_video
from tests.shared.examples import AT

CODECS: tuple[Codec, Codec] = ("h264", "h265")
_PACKET = struct.Struct(">Biibi")


def sets(data: bytes) -> None:
    """A key frame of a camera: what is read of it can be kept in a manifest, or nothing is read."""
    codec = CODECS[Pieces(data).number() & 1]
    unit = data[1:]
    continues_picture(unit, codec)
    found = parameter_sets(unit, codec)
    expect(parameter_sets(found, codec) == found, "its own sets are not found again")
    picture = describe(unit, codec)
    if picture is not None:
        format_ = VideoFormat(
            codec=codec,
            codec_string=picture.codec_string,
            width=picture.width,
            height=picture.height,
            fps=30.0,
        )
        expect(decode(encode(format_), VideoFormat) == format_, f"{picture} is no format of a picture")
        expect(max(picture.width, picture.height) < 1 << 31, f"{picture} is too large for a column")


def _set_seeds() -> Sequence[bytes]:
    return [bytes([n]) + bytes(_recorded(codec)[1][0].data)[:3000] for n, codec in enumerate(CODECS)]


@cache
def _recorded(codec: Codec) -> tuple[StreamInfo, list[MediaPacket]]:
    """Returns what a real camera of this codec sends in the first second."""
    path = make_video(folder("media") / f"{codec}.mp4", seconds=1, codec=codec)
    clock = FakeClock(AT)
    source = FileSource(path, with_audio=False, clock=clock, wait=clock.advance)
    info = source.open()
    packets = [packet for packet, _ in zip(source.packets(), range(20), strict=False)]
    source.close()
    return info, packets


def rtp_time(data: bytes) -> None:
    """Sender reports and packets in any order with any times: places on the timeline, and a shift of the sound."""
    pieces = Pieces(data)
    timeline, shift = RtpTimeline(pieces.number(3) or 90_000), AudioOffset()
    while pieces:
        kind = pieces.number()
        if kind & 3 == 0:
            timeline.report(pieces.number(4), pieces.number(7))
        elif kind & 3 == 3:
            (shift.video if kind & 4 else shift.audio)(pieces.number(4, signed=True), pieces.number(7))
        else:
            pts = None if kind & 4 else pieces.number(5, signed=True)
            sender_us = pieces.number(7) if kind & 2 else None
            expect(type(timeline.place(pts, pieces.number(3), sender_us)) is int, "no place")


def _rtp_seeds() -> Sequence[bytes]:
    report = b"\0" + (90_000).to_bytes(4, "big") + (1_790_000_000_000_000).to_bytes(7, "big")
    packets = b"".join(
        b"\2"
        + (3000 * n).to_bytes(5, "big")
        + (1_790_000_000_000_000 + n * 33_333).to_bytes(7, "big")
        + b"\0\x0b\xb8"
        for n in range(6)
    )
    return [b"\x01\x5f\x90" + report + packets]


def clock(data: bytes) -> None:
    """Pictures with any times: a line that dates them, which a manifest can carry and the control plane takes."""
    fake = FakeClock(AT)
    map_ = ClockMap(UtcReference(fake))
    pieces, pts_90k = Pieces(data), 0
    while pieces:
        kind = pieces.number()
        step = pieces.number(4, signed=True) if kind & 1 else 3000
        pts_90k = pts_90k + step
        fake.advance(pieces.number(2) / 1000 if kind & 2 else 1 / 30)
        stepped = map_.observe(
            MediaPacket(
                kind=Kind.VIDEO, data=b"", size_bytes=0, pts_90k=pts_90k, dts_90k=pts_90k, keyframe=True,
                arrival_ns=fake.monotonic_ns(),
                sender_us=pieces.number(8, signed=True) if kind & 4 else None,
                reports=kind >> 3,
            )
        )  # fmt: skip
        estimate = map_.estimate()
        if estimate is None or stepped:
            break
        expect(decode(encode(estimate), ClockEstimate) == estimate, f"{estimate} does not travel")
        expect(type(utc_of_pts(pts_90k, estimate)) is datetime, "it dates nothing")


def _clock_seeds() -> Sequence[bytes]:
    us = 1_795_255_200_000_000
    reports = b"".join(
        bytes([6 + (n + 1) * 8]) + (2000).to_bytes(2, "big") + (us + n * 33_333).to_bytes(8, "big")
        for n in range(4)
    )
    return [bytes(60), reports, b"\2\x03\xe8" * 20, b"\3\0\x01\x5f\x90\x03\xe8" * 20 + reports]


def packets(data: bytes) -> None:
    """Packets with any bytes and times: they become fragments, or `CameraFailed` or an error of FFmpeg ends the run."""
    pieces = Pieces(data)
    flags = pieces.number()
    codec = CODECS[flags & 1]
    info, recorded = _recorded(codec)
    sound = None
    if flags & 2:
        sound = AudioTrack(codec="pcm_mulaw", sample_rate_hz=8000, channels=1)
    elif flags & 4:
        config = b"" if flags & 8 else pieces.number(2).to_bytes(2, "big")
        sound = AudioTrack(codec="aac", sample_rate_hz=48_000, channels=1 + (flags >> 4 & 7), config=config)
    cutter = RunMuxer(StreamInfo(video=info.video, audio=sound))
    made = 0
    for packet in _packets(pieces, recorded):
        for fragment in cutter.push(packet):
            made += 1
            expect(
                fragment.duration_90k > 0 and fragment.frames > 0,
                f"{fragment.duration_90k=} {fragment.frames=}",
            )
    for _ in cutter.finish():
        made += 1
    expect(made == 0 or bool(cutter.init), "fragments without their init section")


def _packets(pieces: Pieces, recorded: list[MediaPacket]) -> Iterator[MediaPacket]:
    """Yields recorded pictures, some of them changed: byte by byte, in time, in order; and sound at any time.

    A picture's time jumps as far as the reader lets it within one run; nobody has looked at the sound's.
    """
    pts_90k = last_dts_90k = 900_000
    for _ in range(24):
        if not pieces:
            return
        kind = pieces.number()
        audio = bool(kind & 0x80)
        packet = recorded[kind % len(recorded)]
        body, changed = bytes(packet.data), b""
        if kind & 0x20:
            at = pieces.number(2) % (len(body) + 1)
            changed = pieces.line()
            body = body[:at] + changed + body[at + len(changed) :]
        step_90k = pieces.number(4, signed=True) if kind & 0x40 else 3000
        if audio:
            body = changed if kind & 0x20 else _ADTS + body[:320]
            yield _packet(Kind.AUDIO, body, pts_90k + step_90k, pts_90k + step_90k)
            continue
        step_90k = max(1 - TICKS_PER_S, min(JUMP_90K - 1, step_90k))
        dts_90k, last_dts_90k = last_dts_90k + step_90k, last_dts_90k + step_90k
        pts_90k = dts_90k + (pieces.number(2) if kind & 0x60 == 0x60 else 0)
        keyframe = packet.keyframe or kind & 0x30 == 0x30
        yield _packet(Kind.VIDEO, body, pts_90k, dts_90k, keyframe=keyframe)


def _packet(kind: Kind, body: bytes, pts_90k: int, dts_90k: int, *, keyframe: bool = False) -> MediaPacket:
    return MediaPacket(
        kind=kind, data=body, size_bytes=len(body), pts_90k=pts_90k, dts_90k=dts_90k, keyframe=keyframe, arrival_ns=0
    )  # fmt: skip


_ADTS = bytes.fromhex("fff14c4029bffc")
"""The header of a frame of 48 kHz, one channel."""


def _packet_seeds() -> Sequence[bytes]:
    sounds = ([0, 0x80] * 10, [0, 0xA0, 0, 0, *_ADTS, 1, 2, 3, 10] * 8)
    heads = ([2], [4, 0x11, 0x88], [12], [0x1C])
    silent = [bytes([n, *range(20)]) for n in (0, 1)]
    return silent + [bytes([*head, *rest]) for rest in sounds for head in heads]


LOCAL_URL, CAMERA_URL = "rtsp://127.0.0.1:9/secret", "rtsp://10.0.0.1/cam"


def rtsp(data: bytes) -> None:
    """Answers of a camera to FFmpeg's requests, cut up in any way: nothing is held for ever, and no header leads away."""
    login = Credentials(username="alice", password="s3cret")
    exchange = RtspExchange(local_url=LOCAL_URL, camera_url=CAMERA_URL, authenticator=Authenticator(login))
    methods = iter(("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "TEARDOWN") * 4)
    at = 0
    while at < len(data) and exchange.failure is None:
        step = data[at]
        if step & 1 and (method := next(methods, "")):
            exchange.receive_from_player(f"{method} {LOCAL_URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        exchange.receive_from_camera(data[at + 1 : at + 1 + step * 8])
        at += 1 + step * 8
        heads = bytes(exchange.to_player).lower()
        expect(len(heads) <= len(data) + 200 * 24, "more was passed on than came")
        expect(b"s3cret" not in bytes(exchange.to_camera), "the password is sent in clear")
        if not heads.startswith(b"$"):
            head = heads.partition(b"\r\n\r\n")[0]
            expect(b"\r\nlocation:" not in head, "a redirect was passed on")
    exchange.camera_closed()
    expect(exchange.failure is not None, "an end without a reason")


def _rtsp_seeds() -> Sequence[bytes]:
    answers = [
        b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm="c", nonce="n"\r\n\r\n',
        b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        b"RTSP/1.0 302 Moved\r\nCSeq: 3\r\nLocation: rtsp://127.0.0.2/\r\n\r\n",
        b"$\0\0\x04abcdOPTIONS rtsp://x RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    ]
    return [
        b"".join(bytes([len(one) // 8 + 1 | 1]) + one.ljust((len(one) // 8 + 1 | 1) * 8) for one in answers)
    ]


def challenge(data: bytes) -> None:
    """Challenges of a camera in a 401: `CameraFailed`, or one line to sign with that does not hold the password."""
    authenticator = Authenticator(Credentials(username="al\r\nice", password="s3cret"))
    with contextlib.suppress(CameraFailed):
        authenticator.add_challenges(data.decode("latin-1").split("\0"), was_signed=False)
        header = authenticator.header("DESCRIBE", CAMERA_URL) or ""
        expect(not set(header) & set("\r\n"), "more than one header")
        expect("s3cret" not in header, "the password is sent in clear")


TARGETS = {
    "sets": Target(sets, _set_seeds, 16384),
    "rtp_time": Target(rtp_time, _rtp_seeds),
    "clock": Target(clock, _clock_seeds),
    "packets": Target(packets, _packet_seeds, 2048),
    "rtsp": Target(rtsp, _rtsp_seeds),
    "challenge": Target(
        challenge,
        lambda: [
            b'Digest realm="c", nonce="n", qop="auth,auth-int", algorithm=SHA-256-sess, opaque="o"\0Basic x'
        ],
    ),
}
