"""Calls to identity providers that studios have named: to public addresses by TLS, or into the operator's own networks."""

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
"""Of connecting, of each read, and of all the answer's body."""
LARGEST_BYTES = 1 << 20


class ProviderUnreachable(requests.RequestException):
    """The provider's address is one that we do not call, or its answer is none that we take."""


class GuardedSession(requests.Session):
    """Follows no redirect, reads at most 1 MiB, waits at most 10 s, and connects to checked addresses only."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        # What is packed small may be large; it is never unpacked here.
        self.headers["Accept-Encoding"] = "identity"
        self.mount("https://", _GuardedAdapter())
        self.mount("http://", _GuardedAdapter())

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Sends a request.

        Raises:
            ProviderUnreachable: the address is not https, or the answer is too large or too slow.
        """
        require_safe(str(url))
        kwargs |= {"timeout": TIMEOUT_S, "allow_redirects": False, "stream": True}
        response = super().request(method, url, *args, **kwargs)
        try:
            response._content = read_whole(response.raw, most_bytes=LARGEST_BYTES, most_s=TIMEOUT_S)
        except (ControlPlaneError, HTTPError) as error:
            raise ProviderUnreachable(f"the provider's answer breaks off: {error}") from error
        return response


class _GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Makes the pool whose connections are checked."""
        self.poolmanager = guarded_pool(
            settings.SIGNIN_NETWORKS, num_pools=connections, maxsize=maxsize, block=block, **options
        )


def require_safe(url: str) -> None:
    """Returns where an address may be called: https, or plain http to a number inside the operator's networks.

    Raises:
        ProviderUnreachable: it may not.
    """
    parts = urlsplit(url)
    if parts.username or not parts.hostname:
        raise ProviderUnreachable("the address holds credentials or no host")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_inside(parts.hostname)):
        return
    raise ProviderUnreachable("the address does not start with https://")


def _is_inside(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in settings.SIGNIN_NETWORKS)
