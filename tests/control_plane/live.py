"""The control plane's own ASGI application on a real port, in a thread of the test's process."""

import contextlib
import threading
import time
from collections.abc import Iterator

import uvicorn


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """Serves until the block ends; gives the address, without a trailing slash."""
    # Importing it checks the deployment, which needs the test's database and keys.
    from control_plane.config.asgi import application

    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, log_config=None, access_log=False, ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="live-server")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start; its log says why")
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server does not stop"
