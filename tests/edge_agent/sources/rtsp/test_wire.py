"""RTSP as bytes: however the line cuts it up, and whatever a camera sends that is none."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.sources.rtsp.wire import (
    BODY_LIMIT_BYTES,
    HEAD_LIMIT_BYTES,
    SKIP_LIMIT_BYTES,
    Message,
    NotRtsp,
    RtspWire,
)


def packet(channel: int, data: bytes) -> bytes:
    return b"$" + struct.pack(">BH", channel, len(data)) + data


ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 4\r\nX:  a b \r\n\r\nv=0\n"
BARE = b"RTSP/1.0 454 Session Not Found\nCSeq: 4\n\n"
ASKED = b"OPTIONS rtsp://10.0.0.1/a RTSP/1.0\r\nCSeq: 1\r\n\r\n"
PACKETS = [
    packet(0, b"\x80" * 20),
    packet(1, b"RTSP/1.0 200 OK\r\n\r\n"),
    packet(0, b""),
    packet(3, b"$" * 300),
]
STREAM = ANSWER + PACKETS[0] + PACKETS[1] + b"\r\n" + ASKED + PACKETS[2] + BARE + PACKETS[3]


def fed(chunks: list[bytes]) -> tuple[list[Message], bytes]:
    wire, messages, media = RtspWire(), [], b""
    for chunk in chunks:
        for item in wire.feed(chunk):
            if isinstance(item, Message):
                messages.append(item)
            else:
                media += item
    return messages, media


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_a_stream_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    messages, media = fed([STREAM[a:b] for a, b in pairwise(places)])
    assert [m.start for m in messages] == [
        "RTSP/1.0 200 OK",
        "OPTIONS rtsp://10.0.0.1/a RTSP/1.0",
        "RTSP/1.0 454 Session Not Found",
    ]
    assert media == b"".join(PACKETS)
    answer, asked, bare = messages
    assert (answer.status, answer.body, answer.header("x"), answer.header("cseq")) == (
        200,
        b"v=0\n",
        "a b",
        "3",
    )
    assert (asked.is_response, asked.method, asked.uri) == (False, "OPTIONS", "rtsp://10.0.0.1/a")
    assert (bare.status, bare.reason, bare.header("cseq")) == (454, "Session Not Found", "4")


@given(st.binary(min_size=1, max_size=200), st.lists(st.integers(0, 400), max_size=8))
def test_what_is_no_rtsp_in_the_midst_of_a_stream_costs_itself_and_never_more_than_a_packet(
    noise: bytes, cuts: list[int]
) -> None:
    """A camera that loses count: what follows is found again, at the latest behind the length that the noise names."""
    calm = b"".join(packet(0, b"\x80" + bytes(1000)) for _ in range(80))
    stream = ANSWER + noise + calm + BARE * 2
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    messages, media = fed([stream[a:b] for a, b in pairwise(places)])
    assert messages[0].status == 200
    assert messages[-1].status == 454
    assert len(media) <= len(noise) + len(calm)


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"SSH-2.0-x\r\n"]
)
def test_what_does_not_begin_with_rtsp_says_what_it_began_with(first: bytes) -> None:
    with pytest.raises(NotRtsp) as caught:
        RtspWire().feed(first)
    assert first.startswith(caught.value.began_with)
    assert caught.value.began_with


@pytest.mark.parametrize(
    "endless",
    [
        b"RTSP/1.0 200 OK\r\nX: " + b"a" * HEAD_LIMIT_BYTES,
        b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT_BYTES + 1),
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        ANSWER + b"\x00" * (SKIP_LIMIT_BYTES + 1),
    ],
)
def test_nothing_makes_it_hold_more_than_its_bounds(endless: bytes) -> None:
    wire = RtspWire()

    def feed() -> None:
        for at in range(0, len(endless), 65_536):
            wire.feed(endless[at : at + 65_536])
            assert len(wire._buffer) <= HEAD_LIMIT_BYTES + BODY_LIMIT_BYTES + 65_540

    with pytest.raises(NotRtsp):
        feed()
