"""HTTP calls to identity providers: to public addresses over TLS, or into the operator's configured networks."""

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from control_plane.common.errors import ControlPlaneError
from control_plane.common.limited_http import read_whole
from control_plane.common.ssrf_guard import guarded_pool

TIMEOUT_S = 10
"""Timeout of the connection, of each read, and of the whole body."""
LARGEST_BYTES = 1 << 20


class ProviderUnreachable(requests.RequestException):
    """The provider's address is not allowed, or its response is unusable."""


class GuardedSession(requests.Session):
    """Follows no redirects, reads at most 1 MiB within 10 s, and connects to allowed addresses only."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        # Never decompress: a small compressed body may be huge.
        self.headers["Accept-Encoding"] = "identity"
        self.mount("https://", _GuardedAdapter())
        self.mount("http://", _GuardedAdapter())

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Sends a request.

        Raises:
            ProviderUnreachable: the address is not https, or the response is too large or too slow.
        """
        require_allowed_url(str(url))
        kwargs |= {"timeout": TIMEOUT_S, "allow_redirects": False, "stream": True}
        response = super().request(method, url, *args, **kwargs)
        try:
            response._content = read_whole(response.raw, most_bytes=LARGEST_BYTES, most_s=TIMEOUT_S)
        except (ControlPlaneError, HTTPError) as error:
            raise ProviderUnreachable(f"the provider's response is incomplete: {error}") from error
        return response


class _GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Creates a pool that checks the address of each connection."""
        self.poolmanager = guarded_pool(
            settings.SIGNIN_NETWORKS, num_pools=connections, maxsize=maxsize, block=block, **options
        )


def require_allowed_url(url: str) -> None:
    """Checks that an address may be called: https, or plain http to an IP address in the operator's networks.

    Raises:
        ProviderUnreachable: it may not be called.
    """
    parts = urlsplit(url)
    if parts.username or not parts.hostname:
        raise ProviderUnreachable("the address contains credentials, or no host")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_inside(parts.hostname)):
        return
    raise ProviderUnreachable("the address does not start with https://")


def _is_inside(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in settings.SIGNIN_NETWORKS)
