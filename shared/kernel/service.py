"""Telling a service manager that this process is ready and lives. Source: sd_notify(3), systemd.service(5) `WatchdogSec=`.

systemd is one such manager; `threedance up` is another, for the processes that it starts.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

log = logging.getLogger(__name__)

ADDRESS_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"
VARIABLES = (ADDRESS_VARIABLE, WATCHDOG_VARIABLE, WATCHDOG_PID_VARIABLE)
"""Meant for one process alone: a manager takes them away from what it starts itself."""
READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


class ServiceManager:
    """The service manager that started this process; where there is none, every method does nothing."""

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        """Args:
        address: a path, or `@name` in the abstract namespace; empty: there is no manager.
        watchdog_s: within so many seconds the process has to say that it lives; None: it need not.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s = watchdog_s

    @classmethod
    def of_this_process(cls) -> "ServiceManager":
        """Returns the one that the environment names, if it means this process and not its parent."""
        watched = os.environ.get(WATCHDOG_VARIABLE, "")
        is_ours = os.environ.get(WATCHDOG_PID_VARIABLE, str(os.getpid())) == str(os.getpid())
        watchdog_s = int(watched) / 1e6 if watched.isdigit() and is_ours else None
        return cls(os.environ.get(ADDRESS_VARIABLE, ""), watchdog_s)

    @property
    def pulse_s(self) -> float | None:
        """How often to send `ALIVE`, in seconds; None: never."""
        return self._watchdog_s / 3 if self._watchdog_s is not None else None

    def tell(self, *lines: str) -> None:
        """Sends assignments such as `READY`. Never blocks; losing one must not cost a recording."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto("\n".join(lines).encode(), self._address)
        except BlockingIOError:
            return  # its queue is full of what it was told already
        except OSError as error:
            log.warning("the service manager does not hear", extra={"error": str(error)})

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Says that the process is ready, and inside the block that it lives: an event loop that hangs is restarted."""
        self.tell(READY)
        pulse = asyncio.create_task(self._pulse(), name="service-pulse")
        try:
            yield
        finally:
            pulse.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pulse

    async def _pulse(self) -> None:
        if self.pulse_s is None:
            return
        while True:
            self.tell(ALIVE)
            await asyncio.sleep(self.pulse_s)
