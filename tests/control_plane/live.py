"""The control plane's own ASGI application on a real port, in a thread of the test's process, as `up` serves it."""

import contextlib
from collections.abc import Iterator

from tests.rigs.asgi import serving


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """Serves until the block ends; gives the address, without a trailing slash."""
    # Importing it checks the deployment, which needs the test's database and keys.
    from control_plane.config.asgi import application
    from control_plane.config.connections import HttpConnection, LinkConnection

    with serving(
        application,
        http=HttpConnection,
        ws=LinkConnection,
        log_config=None,
        access_log=False,
        proxy_headers=False,
    ) as address:
        yield address
