"""Being a service: what systemd is told of the agent, and what it hands over. Source: sd_notify(3), systemd.exec(5)."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

log = logging.getLogger(__name__)

PAIRING_CREDENTIAL = "pairing"
"""Holds one line, `ADDRESS CODE`: with it a box pairs itself at its first start."""
CREDENTIAL_LIMIT_BYTES = 4096


class ServiceManager:
    """The service manager that started this process; where there is none, every method does nothing."""

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s = watchdog_s

    @classmethod
    def of_this_process(cls) -> "ServiceManager":
        """Returns the one that the environment names, if it means this process and not its parent."""
        watched = os.environ.get("WATCHDOG_USEC", "")
        is_ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_s = int(watched) / 1e6 if watched.isdigit() and is_ours else None
        return cls(os.environ.get("NOTIFY_SOCKET", ""), watchdog_s)

    def tell(self, *lines: str) -> None:
        """Sends assignments such as `READY=1`. Losing one must not cost a recording."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("the service manager does not hear", extra={"error": str(error)})

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Says that the agent is ready, and inside the block that it lives: an event loop that hangs is restarted."""
        self.tell("READY=1")
        pulse = asyncio.create_task(self._pulse(), name="service-pulse")
        try:
            yield
        finally:
            pulse.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pulse

    async def _pulse(self) -> None:
        if self._watchdog_s is None:
            return
        while True:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 3)


def handed_pairing() -> tuple[str, str] | None:
    """Returns address and code from the service's credentials, or None where none were handed over.

    Raises:
        ValueError: there is something else in it.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    try:
        with (Path(folder) / PAIRING_CREDENTIAL).open("rb") as file:
            words = file.read(CREDENTIAL_LIMIT_BYTES).decode("utf-8", "replace").split()
    except FileNotFoundError:
        return None
    if len(words) != 2:
        raise ValueError(f"the credential {PAIRING_CREDENTIAL} must hold ADDRESS CODE and nothing else")
    return words[0], words[1]
