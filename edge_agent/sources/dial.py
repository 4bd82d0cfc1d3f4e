"""Connects to cameras. FFmpeg connects to nothing: it would resolve names again, and follow redirects anywhere."""

import errno
import os
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from edge_agent.errors import CameraFailed
from edge_agent.settings import Settings
from edge_agent.sources.addresses import Endpoint, SocketAddress, checked_addresses
from shared.protocol.status import CameraError

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep their certificate authorities, for a Python built with other paths."""


def tls_context() -> ssl.SSLContext:
    """Returns a context that requires a certificate for the camera's name, trusted by the system or `SSL_CERT_FILE`.

    A camera's self-signed certificate may be installed directly; it need not belong to an authority or follow every rule of
    RFC 5280. If no authorities are found at all, every certificate is refused.
    """
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not (os.environ.get("SSL_CERT_FILE") or context.cert_store_stats()["x509_ca"]):
        bundle = next((path for path in _BUNDLES if Path(path).is_file()), None)
        if bundle is not None:
            context.load_verify_locations(bundle)
    return context


CONNECT_TIMEOUT_S = 5.0
"""For all addresses of a camera together."""
NEXT_ADDRESS_S = 0.25
"""Head start of one address before the next is tried in parallel. Source: RFC 8305, section 8."""

_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "UNKNOWN_PROTOCOL",
)


def dial(
    endpoint: Endpoint,
    settings: Settings,
    *,
    timeout_s: float,
    is_aborted: Callable[[], bool] = lambda: False,
) -> socket.socket:
    """Returns a connection to a camera, with TLS if its scheme requires it. Blocks; call it from a reader's thread.

    Args:
        endpoint: the camera's address.
        settings: the agent's own rules.
        timeout_s: timeout of the TLS handshake and of each later read or write.
        is_aborted: polled several times a second; True ends the attempt.

    Raises:
        CameraFailed: the host is unknown or nobody answers (`unreachable`), an address is not allowed
            (`address_refused`), the certificate is not trusted (`tls`), there is no TLS (`wrong_protocol`).
    """
    connection = _first_to_answer(checked_addresses(endpoint, settings), is_aborted)
    connection.settimeout(timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return _secured(connection, endpoint) if endpoint.is_secure else connection


def _first_to_answer(addresses: list[SocketAddress], is_aborted: Callable[[], bool]) -> socket.socket:
    """Tries the addresses one after the other, each in parallel with those that have not answered yet."""
    waiting = deque(addresses)
    trying: dict[socket.socket, SocketAddress] = {}
    failures: list[str] = []
    deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
    next_at_s = 0.0
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or trying:
                now_s = time.monotonic()
                if now_s >= deadline_s or is_aborted():
                    failures += [f"{address[0]}: no answer" for _, address in trying.values()]
                    break
                if waiting and (now_s >= next_at_s or not trying):
                    _begin(waiting.popleft(), trying, selector, failures)
                    next_at_s = now_s + NEXT_ADDRESS_S
                for key, _ in selector.select(NEXT_ADDRESS_S if trying else 0):
                    connection: socket.socket = key.fileobj  # type: ignore[assignment]  # only sockets are registered
                    selector.unregister(connection)
                    _, address = trying.pop(connection)
                    if not (error := _failure_of(connection)):
                        return connection
                    failures.append(f"{address[0]}: {error}")
                    connection.close()
        finally:
            for connection in trying:
                connection.close()
    raise CameraFailed(CameraError.UNREACHABLE, "; ".join(failures)[:200] or "no answer")


def _begin(
    target: SocketAddress,
    trying: dict[socket.socket, SocketAddress],
    selector: selectors.BaseSelector,
    failures: list[str],
) -> None:
    family, address = target
    connection = None
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        begun = connection.connect_ex(address)
        if begun not in (0, errno.EINPROGRESS):
            raise OSError(begun, os.strerror(begun))
    except OSError as error:
        failures.append(f"{address[0]}: {error.strerror or error}")
        if connection is not None:
            connection.close()
        return
    trying[connection] = target
    selector.register(connection, selectors.EVENT_WRITE)


def _failure_of(connection: socket.socket) -> str:
    """Returns why a connection failed; empty if it is open."""
    if number := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return os.strerror(number)
    try:
        if connection.getsockname() == connection.getpeername():
            # TCP self-connection: connecting to an unused local port may pick that port as the source port too.
            return os.strerror(errno.ECONNREFUSED)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _secured(connection: socket.socket, endpoint: Endpoint) -> ssl.SSLSocket:
    try:
        return tls_context().wrap_socket(connection, server_hostname=endpoint.host)
    except ssl.SSLCertVerificationError as error:
        failed = CameraFailed(CameraError.TLS, error.verify_message or "the certificate is not trusted")
    except ssl.SSLError as error:
        reason = error.reason or ""
        if reason in _NO_TLS:
            failed = CameraFailed(CameraError.WRONG_PROTOCOL, "the server at this port does not speak TLS")
        else:
            said = reason.replace("_", " ").lower() or "it was given up"
            failed = CameraFailed(CameraError.TLS, f"the TLS handshake failed: {said}"[:200])
    except TimeoutError:
        failed = CameraFailed(CameraError.TLS, "no answer to the TLS handshake")
    except (OSError, ValueError) as error:
        failed = CameraFailed(CameraError.TLS, f"the TLS handshake broke off: {error}"[:200])
    connection.close()
    raise failed
