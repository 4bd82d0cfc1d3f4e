"""Cost of one playback request: CPU of the web and statements in PostgreSQL, each kind by itself.

One viewer asks in one thread through the whole of our handler, without a socket: what is counted is processor time, so
it stays the same on a busy machine, where requests/s (`playback`) do not.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.plane import measured

TIMES = int(os.environ.get("THREEDANCE_TEST_TIMES", "300"))
ROUNDS = 5
KINDS = ("check", "key", "bytes", "init", "playlist", "timeline")


def measure(folder: Path) -> dict[str, Any]:
    """Returns the ms of CPU and the statements of each kind."""
    return measured("tests.bench.cost", folder)


def main(_: str) -> None:
    """Prints the figures as JSON, inside a control plane."""
    import django

    django.setup()
    from tests.bench.stage import cookie_of, make_class, make_stage, make_viewers

    stage = make_stage()
    playable = make_class(stage, length_s=3600, stored_s=12, bytes_per_s=375_000)
    (viewer,) = make_viewers(stage, 1)
    track, ((segment, ranges), *_rest) = next(iter(playable.segments.items()))
    folder = playable.folder
    paths = {
        "check": f"{folder}/check",
        "key": f"{folder}/segments/{segment}/key",
        "bytes": f"{folder}/segments/{segment}/bytes.m4s",
        "init": f"{folder}/tracks/{track}/init/{segment}.mp4",
        "playlist": f"{folder}/tracks/{track}/playlist.m3u8",
        "timeline": f"{folder}/timeline.json",
    }
    print(json.dumps(costs(paths, cookie_of(viewer), ranges[0])))


def costs(paths: dict[str, str], cookie: str, range_: str) -> dict[str, Any]:
    """Returns, per kind, the least ms of CPU over some rounds of requests, and the statements of one."""
    return {kind: _cost(path, cookie, range_ if kind == "bytes" else "") for kind, path in paths.items()}


def _cost(path: str, cookie: str, range_: str) -> dict[str, float]:
    from django.db import connection

    asked = Asked(path, cookie, range_)
    for _ in range(10):
        asked.once()
    statements = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*arguments)

    with connection.execute_wrapper(count):
        asked.once()
    rounds = []
    for _ in range(ROUNDS):
        before_s = time.process_time()
        for _ in range(TIMES // ROUNDS):
            asked.once()
        rounds.append((time.process_time() - before_s) / (TIMES // ROUNDS) * 1000)
    return {"statements": statements, "cpu_ms": min(rounds)}


class Asked:
    """One request, again and again, as uvicorn would hand it on."""

    def __init__(self, path: str, cookie: str, range_: str) -> None:
        from django.conf import settings

        from control_plane.config.handler import Handler

        self.handler = Handler(1)
        host = settings.PUBLIC_URL.partition("://")[2]
        headers = {
            "host": host,
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
            "accept": "*/*",
            "accept-encoding": "gzip, deflate, br, zstd",
            "accept-language": "en-GB,en;q=0.9",
            "cookie": cookie,
        } | ({"range": range_} if range_ else {})
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": path,
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        }

    def once(self) -> None:
        """Asks.

        Raises:
            RuntimeError: it is refused.
        """
        import io

        response = self.handler._answer(dict(self.scope), io.BytesIO())
        if response.status_code not in (200, 204, 206):
            raise RuntimeError(f"{self.scope['path']}: {response.status_code} {response.content!r:.300}")  # type: ignore[attr-defined]


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    rows = [f"| {kind} | {result[kind]['statements']} | {result[kind]['cpu_ms']:.1f} |" for kind in KINDS]
    return "\n".join(["| One request | statements | CPU of the web, ms |", "|---|---|---|", *rows])


if __name__ == "__main__":
    main(sys.argv[1])
