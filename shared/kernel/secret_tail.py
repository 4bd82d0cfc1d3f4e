"""Splits the secret end off a camera's address. Pure.

Cameras take user and password in a query (`/flv?app=bcs&user=admin&password=x`), in the path itself
(`/user=admin&password=x&channel=1&stream=0.sdp`), or a token. A name alone does not
show a secret, so the rule is the reverse: an end stays in clear only if each of its parts is known to choose a stream.
"""

import re

MASK = "***"
"""Replaces the secret end in a shown address."""

_CHOICES = frozenset(
    (
        "app", "audio", "bitrate", "cam", "camera", "camid", "ch", "channel", "channelid", "chid", "chn", "codec",
        "compression", "enablesrtp", "format", "fps", "framerate", "height", "inst", "line", "mode", "multicast",
        "onvif", "overview", "port", "profile", "proto", "protocol", "quality", "real_stream", "res", "resolution",
        "rotation", "rtsp_transport", "size", "source", "stream", "streamid", "streamtype", "subid", "substream",
        "subtype", "tcp", "track", "trackid", "transport", "transport_mode", "transportmode", "type", "udp", "unicast",
        "video", "videocodec", "videotype", "width",
    )
)  # fmt: skip
"""Parameter names that choose a stream, from manuals of cameras."""
_CHOICE = re.compile(r"[A-Za-z0-9_.:x-]{0,24}")
_PAIR = re.compile(r"([^&;=]*)(?:=([^&;]*))?")


def split_tail(url: str) -> tuple[str, str]:
    """Returns the clear part of an address and its secret end; together they are `url`.

    The end is empty for an address without a secret. Credentials before the host are not considered.

    Args:
        url: an address with a scheme; without one, all of it is the path.
    """
    host = url.find("://") + 3 if "://" in url else 0
    begin = next((at for at in range(host, len(url)) if url[at] in "/?"), len(url))
    path_end = url.find("?", begin)
    path_end = len(url) if path_end < 0 else path_end
    at = begin
    while at < path_end:
        end = url.find("/", at + 1, path_end)
        end = path_end if end < 0 else end
        segment = url[at:end].removeprefix("/")
        if "=" in segment and not _only_chooses(segment):
            at += url[at] == "/"
            return url[:at], url[at:]
        at = end
    if path_end < len(url) and not _only_chooses(url[path_end + 1 :]):
        return url[: path_end + 1], url[path_end + 1 :]
    return url, ""


def _only_chooses(text: str) -> bool:
    pairs = [_PAIR.fullmatch(part) for part in re.split(r"[&;]", text) if part]
    return all(
        pair is not None
        and pair[1].lower() in _CHOICES
        and (pair[2] is None or _CHOICE.fullmatch(pair[2]) is not None)
        for pair in pairs
    )
