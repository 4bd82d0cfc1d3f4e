"""An MPEG transport stream of one H.264 and one AAC stream, written frame by frame.

FFmpeg's muxer, and so PyAV's, holds each picture back until the next frame of audio, for a varying time of up to 21 ms.
For a camera that is locked to UTC this is jitter. Here every frame is sent at once.

Source: ISO/IEC 13818-1, sections 2.4.3 (packets), 2.4.3.6 (PES) and 2.4.4 (tables).
"""

PACKET_BYTES = 188
VIDEO_PID, AUDIO_PID, PMT_PID = 0x100, 0x101, 0x1000
H264_TYPE, AAC_ADTS_TYPE = 0x1B, 0x0F
CLOCK_MASK = (1 << 33) - 1
# The program clock runs this far behind the presentation times, so that a decoder may buffer.
DECODER_DELAY_TICKS = 9_000
ACCESS_UNIT_DELIMITER = b"\x00\x00\x00\x01\x09\xf0"
ADTS_MPEG4_LC_48K_MONO = 0xFFF1 << 40 | 1 << 38 | 3 << 34 | 1 << 30


class MpegTsMuxer:
    """Muxes one stream; each call returns the bytes to send."""

    def __init__(self) -> None:
        self._counters = {0: 0, PMT_PID: 0, VIDEO_PID: 0, AUDIO_PID: 0}

    def tables(self) -> bytes:
        """Returns the program tables (PAT and PMT); repeat them at key pictures."""
        pat = _section(0x00, 1, bytes([0x00, 0x01, 0xE0 | PMT_PID >> 8, PMT_PID & 0xFF]))
        streams = b"".join(
            bytes([kind, 0xE0 | pid >> 8, pid & 0xFF, 0xF0, 0x00])
            for kind, pid in ((H264_TYPE, VIDEO_PID), (AAC_ADTS_TYPE, AUDIO_PID))
        )
        pmt = _section(0x02, 1, bytes([0xE0 | VIDEO_PID >> 8, VIDEO_PID & 0xFF, 0xF0, 0x00]) + streams)
        return self._packets(0, b"\x00" + pat, fill=True) + self._packets(PMT_PID, b"\x00" + pmt, fill=True)

    def picture(self, annex_b: bytes, pts_90k: int, is_key: bool) -> bytes:
        """Returns one coded picture. Without B-frames its decoding time is its presentation time."""
        payload = ACCESS_UNIT_DELIMITER + annex_b
        clock = (pts_90k - DECODER_DELAY_TICKS) & CLOCK_MASK
        return self._packets(VIDEO_PID, _pes(0xE0, payload, pts_90k), clock=clock, is_key=is_key)

    def audio(self, raw_aac: bytes, pts_90k: int) -> bytes:
        """Returns one coded frame of mono AAC at 48 kHz."""
        return self._packets(AUDIO_PID, _pes(0xC0, _adts(raw_aac), pts_90k))

    def _packets(
        self, pid: int, payload: bytes, clock: int | None = None, is_key: bool = False, fill: bool = False
    ) -> bytes:
        """Cuts a payload into packets, the last one stuffed: tables behind (`fill`), PES in the adaptation field."""
        packets = bytearray()
        if fill:
            payload = payload.ljust(-(-len(payload) // 184) * 184, b"\xff")
        start = 0
        field = b""
        if clock is not None:
            flags = 0x10 | (0x40 if is_key else 0)
            field = bytes([flags]) + (clock << 15 | 0x7E00).to_bytes(6, "big")
        first = True
        while start < len(payload):
            capacity = PACKET_BYTES - 4 - (len(field) + 1 if field else 0)
            piece = payload[start : start + capacity]
            stuffing = capacity - len(piece)
            if stuffing and not field:
                # An adaptation field costs a byte for its length; one with content, a second for its flags.
                field, stuffing = (b"", 0) if stuffing == 1 else (b"\x00", stuffing - 2)
                header_field = bytes([len(field) + stuffing]) + field + b"\xff" * stuffing
            elif field:
                header_field = bytes([len(field) + stuffing]) + field + b"\xff" * stuffing
            else:
                header_field = b""
            counter = self._counters[pid]
            self._counters[pid] = (counter + 1) & 0xF
            packets += bytes(
                [
                    0x47,
                    (0x40 if first else 0) | pid >> 8,
                    pid & 0xFF,
                    (0x30 if header_field else 0x10) | counter,
                ]
            )
            packets += header_field
            packets += piece
            start += len(piece)
            first, field = False, b""
        return bytes(packets)


def _pes(stream_id: int, payload: bytes, pts_90k: int) -> bytes:
    pts = pts_90k & CLOCK_MASK
    stamp = bytes(
        [
            0x21 | pts >> 29 & 0x0E, pts >> 22 & 0xFF, 0x01 | pts >> 14 & 0xFE, pts >> 7 & 0xFF, 0x01 | pts << 1 & 0xFE,
        ]
    )  # fmt: skip
    # Zero means "until the next one begins", which is allowed for pictures that are too long for the field.
    length = len(payload) + 8
    return (
        b"\x00\x00\x01"
        + bytes([stream_id])
        + (length if length <= 0xFFFF else 0).to_bytes(2, "big")
        + b"\x84\x80\x05"
        + stamp
        + payload
    )


def _adts(raw_aac: bytes) -> bytes:
    """Returns a frame with its ADTS header (ISO/IEC 14496-3, 1.A.2)."""
    length = len(raw_aac) + 7
    header = ADTS_MPEG4_LC_48K_MONO | length << 13 | 0x7FF << 2
    return header.to_bytes(7, "big") + raw_aac


def _section(table: int, number: int, body: bytes) -> bytes:
    length = len(body) + 9
    head = bytes([table, 0xB0 | length >> 8, length & 0xFF]) + number.to_bytes(2, "big") + b"\xc1\x00\x00"
    return head + body + _crc32(head + body).to_bytes(4, "big")


def _crc32(data: bytes) -> int:
    """Returns the checksum of tables (ISO/IEC 13818-1, annex A): CRC-32/MPEG-2, not reflected, no final inversion."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
