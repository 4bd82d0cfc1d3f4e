"""Maps exceptions of FFmpeg and PyAV, and response codes of cameras, to `CameraFailed`; nothing else does."""

import re
from urllib.parse import urlsplit

import av
import av.error

from edge_agent.errors import CameraFailed
from shared.kernel.redact import redact
from shared.protocol.status import CameraError

_BY_TYPE: tuple[tuple[type[BaseException], CameraError], ...] = (
    (TimeoutError, CameraError.TIMED_OUT),
    (ConnectionRefusedError, CameraError.UNREACHABLE),
    (ConnectionResetError, CameraError.ENDED),
    (BrokenPipeError, CameraError.ENDED),
    (ConnectionAbortedError, CameraError.ENDED),
    (EOFError, CameraError.ENDED),
    (av.error.InvalidDataError, CameraError.BAD_DATA),
    (av.error.ProtocolNotFoundError, CameraError.BAD_DATA),
    (av.error.DemuxerNotFoundError, CameraError.BAD_DATA),
    (av.error.DecoderNotFoundError, CameraError.UNSUPPORTED_CODEC),
    (FileNotFoundError, CameraError.NOT_ON_LIST),
    (PermissionError, CameraError.NOT_ON_LIST),
)

_UNREACHABLE_ERRNOS = frozenset({100, 101, 112, 113, 5})
"""ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, and EIO, which FFmpeg uses for a failed connection."""


def error_from_exception(error: BaseException) -> CameraFailed:
    """Returns our error for an exception of `av`."""
    for type_, reason in _BY_TYPE:
        if isinstance(error, type_):
            return CameraFailed(reason, _line(error))
    if isinstance(error, OSError) and error.errno in _UNREACHABLE_ERRNOS:
        return CameraFailed(CameraError.UNREACHABLE, _line(error))
    return CameraFailed(CameraError.BAD_DATA, _line(error))


_BY_STATUS: dict[int, CameraError] = {
    400: CameraError.NOT_FOUND,
    401: CameraError.REFUSED,
    403: CameraError.FORBIDDEN,
    404: CameraError.NOT_FOUND,
    405: CameraError.NOT_FOUND,
    410: CameraError.NOT_FOUND,
    429: CameraError.BUSY,
    453: CameraError.BUSY,
    454: CameraError.ENDED,
    459: CameraError.NOT_FOUND,
    460: CameraError.NOT_FOUND,
    461: CameraError.NO_TCP,
    503: CameraError.BUSY,
}
"""Camera errors by status code of RTSP or HTTP. Source: RFC 2326 section 11, RFC 7826 section 17, RFC 9110."""


def error_from_response(status: int, reason: str, *, location: str = "") -> CameraFailed:
    """Returns our error for a camera's status code.

    Args:
        status: status code of RTSP or HTTP.
        reason: the camera's reason phrase; only printable characters are shown.
        location: target of a redirect. It is not followed, and shown without credentials and query.
    """
    if 300 <= status < 400:
        where = _shown_address(location)
        return CameraFailed(
            CameraError.REDIRECTED,
            f"the camera sends viewers to {where}" if where else "it does not say where",
        )
    words = re.sub(r"[^ -~]", "", reason).strip()[:60]
    return CameraFailed(
        _BY_STATUS.get(status, CameraError.CAMERA_FAULT),
        redact(f"the camera answers {status} {words}".strip()),
    )


def _shown_address(location: str) -> str:
    try:
        parts = urlsplit(re.sub(r"[^!-~]", "", location[:2000]))
        shown = (
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path
        )
    except ValueError:
        return ""
    return redact(shown)[:120]


def _line(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redact(str(text).splitlines()[0])[:200]
