"""Encodes the pictures of a cut group again, so that copied pictures of the same stream can follow it.

The file has one decoder configuration, that of the camera. So what is encoded here carries its own parameter sets in
band, and the first copied key frame after it carries those of the camera.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
_FILTERS = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
_OPTIONS = {
    "h264": {"preset": "veryfast", "crf": "18", "bf": "0", "x264-params": "repeat-headers=1"},
    "hevc": {"preset": "veryfast", "crf": "20", "x265-params": "log-level=none:repeat-headers=1:bframes=0"},
}


class Recoder:
    """Decodes packets of one group of pictures and encodes those pictures that `is_wanted`; times are kept."""

    def __init__(self, stream: Any, rate: Fraction) -> None:
        source = stream.codec_context
        self._codec, self._time_base = source.name, stream.time_base
        self._decoder: Any = av.CodecContext.create(self._codec, "r")
        self._decoder.extradata = source.extradata
        encoder: Any = av.CodecContext.create(_ENCODERS[self._codec], "w")
        encoder.width, encoder.height = stream.width, stream.height
        encoder.pix_fmt = source.pix_fmt or "yuv420p"
        encoder.time_base, encoder.framerate = self._time_base, rate
        encoder.options = _OPTIONS[self._codec]
        self._encoder = encoder
        self._length_bytes = _length_bytes(self._codec, bytes(source.extradata or b""))

    def encode(self, packets: Iterable[Any], *, first_pts: int | None, end_pts: int | None) -> Iterator[Any]:
        """Yields new packets of the pictures from `first_pts` up to `end_pts`, in the input's time base."""
        for packet in [*packets, None]:
            for frame in self._decoder.decode(packet):
                if first_pts is not None and frame.pts < first_pts:
                    continue
                if end_pts is not None and frame.pts >= end_pts:
                    continue
                frame.time_base, frame.pict_type = self._time_base, 0
                yield from map(self._copied, self._encoder.encode(frame))
        yield from map(self._copied, self._encoder.encode(None))

    def _copied(self, packet: Any) -> Any:
        made = av.Packet(with_lengths(bytes(packet), self._length_bytes))
        made.pts, made.dts, made.time_base = packet.pts, packet.dts, self._time_base
        made.is_keyframe = packet.is_keyframe
        return made


def with_parameter_sets(packet: Any, stream: Any) -> Any:
    """Returns a copied key frame that carries its parameter sets in band."""
    source = stream.codec_context
    changed = BitStreamFilterContext(_FILTERS[source.name], stream).filter(packet)[0]
    made = av.Packet(with_lengths(bytes(changed), _length_bytes(source.name, bytes(source.extradata or b""))))
    made.pts, made.dts, made.duration = changed.pts, changed.dts, changed.duration
    made.time_base, made.is_keyframe = stream.time_base, True
    return made


def with_lengths(annex_b: bytes, length_bytes: int) -> bytes:
    """Returns NAL units, each after a start code, as the same units each after its length (ISO/IEC 14496-15)."""
    out = bytearray()
    at = annex_b.find(b"\0\0\1")
    while at >= 0:
        following = annex_b.find(b"\0\0\1", at + 3)
        unit = annex_b[at + 3 : following if following >= 0 else len(annex_b)]
        if following >= 0:
            # The zero before the next start code, of four bytes, is none of the unit's: a unit does not end in zeros.
            unit = unit.rstrip(b"\0")
        out += len(unit).to_bytes(length_bytes) + unit
        at = following
    return bytes(out)


def _length_bytes(codec: str, configuration: bytes) -> int:
    """Returns how long the lengths of a stream are, from its avcC or hvcC."""
    return (configuration[4 if codec == "h264" else 21] & 3) + 1
