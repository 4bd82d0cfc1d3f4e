"""Notifies a service manager that this process is ready and alive. Source: sd_notify(3), systemd.service(5) `WatchdogSec=`.

systemd is a service manager; `threedance up` is one for the processes that it starts.
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
"""Meant for one process: a manager removes them from the environment of its children."""
READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


class ServiceManager:
    """The service manager that started this process; without one, no method has an effect."""

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        """Args:
        address: a path, or `@name` in the abstract namespace; empty without a manager.
        watchdog_s: the process must send `ALIVE` within this many seconds; None: it need not.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s = watchdog_s

    @classmethod
    def of_this_process(cls) -> "ServiceManager":
        """Returns the manager that the environment names, if it names it for this process and not its parent."""
        watched = os.environ.get(WATCHDOG_VARIABLE, "")
        is_ours = os.environ.get(WATCHDOG_PID_VARIABLE, str(os.getpid())) == str(os.getpid())
        watchdog_s = int(watched) / 1e6 if watched.isdigit() and is_ours else None
        return cls(os.environ.get(ADDRESS_VARIABLE, ""), watchdog_s)

    @property
    def pulse_s(self) -> float | None:
        """Interval of `ALIVE` in seconds; None: never."""
        return self._watchdog_s / 3 if self._watchdog_s is not None else None

    def tell(self, *lines: str) -> None:
        """Sends assignments such as `READY`. Never blocks and never raises: a lost one must not stop a recording."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto("\n".join(lines).encode(), self._address)
        except BlockingIOError:
            return  # its queue is full
        except OSError as error:
            log.warning("cannot notify the service manager", extra={"error": str(error)})

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Sends `READY`, and `ALIVE` while inside the block: the manager restarts a process whose event loop hangs."""
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
