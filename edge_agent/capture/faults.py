"""The one place where what FFmpeg and PyAV raise becomes a `CameraFailed`."""

import av
import av.error

from edge_agent.errors import CameraFailed
from shared.kernel.redact import redact
from shared.protocol.status import CameraError

_BY_TYPE: tuple[tuple[type[BaseException], CameraError], ...] = (
    (av.error.HTTPUnauthorizedError, CameraError.REFUSED),
    (av.error.HTTPForbiddenError, CameraError.REFUSED),
    (av.error.HTTPNotFoundError, CameraError.NOT_FOUND),
    (av.error.HTTPBadRequestError, CameraError.NOT_FOUND),
    (av.error.HTTPTooManyRequestsError, CameraError.UNREACHABLE),
    (av.error.HTTPServerError, CameraError.UNREACHABLE),
    (av.error.HTTPOtherClientError, CameraError.NOT_FOUND),
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
"""ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, and EIO, which is FFmpeg's word for a connection that failed."""


def camera_failed(error: BaseException, *, tls: bool = False) -> CameraFailed:
    """Returns our error for what `av` raised. `tls`: the connection was being made with TLS."""
    for type_, reason in _BY_TYPE:
        if isinstance(error, type_):
            return CameraFailed(reason, _line(error))
    if isinstance(error, OSError):
        if tls and error.errno == 5:
            return CameraFailed(CameraError.TLS, "the secure connection could not be made")
        if error.errno in _UNREACHABLE_ERRNOS:
            return CameraFailed(CameraError.UNREACHABLE, _line(error))
    return CameraFailed(CameraError.BAD_DATA, _line(error))


def _line(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redact(str(text).splitlines()[0])[:200]
