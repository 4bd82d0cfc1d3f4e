"""`run`: the agent as a process, with its signals, its logs and its exit."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from edge_agent.cli.camera_lines import CameraLines
from edge_agent.control.identity import Identity, IdentityFolder
from edge_agent.core.agent import Agent, Outcome
from edge_agent.errors import NotPaired
from edge_agent.settings import load_settings
from edge_agent.spool.spool import Spool
from shared.kernel.clock import Clock, ServerClock, SystemClock, boottime_ns
from shared.kernel.logs import configure_logs
from shared.kernel.service import ServiceManager


def run_agent(state: Path, *, json_logs: bool) -> Outcome:
    """Runs the agent of a state folder until SIGTERM, SIGINT or a revocation; a second signal ends it at once.

    Raises:
        AgentError: it could not start; the message says why.
    """
    settings = load_settings(state)
    configure_logs(json_lines=json_logs, level=settings.log_level)
    for library in ("httpx", "httpcore", "websockets", "libav"):
        # Their lines carry whole addresses, signed ones included.
        logging.getLogger(library).setLevel(logging.WARNING)
    identity = _identity(IdentityFolder(state))
    clock = SystemClock()
    server_clock = make_server_clock(clock)
    spool = Spool.open(state, clock=server_clock)
    try:
        agent = Agent(
            state, identity=identity, settings=settings, clock=clock, spool=spool, server_clock=server_clock
        )
        if not json_logs:
            agent.on_status = CameraLines(state).update
        return asyncio.run(_run(agent))
    finally:
        spool.close()


def make_server_clock(clock: Clock) -> ServerClock:
    """Returns the server's time on this machine, which goes on while the machine is suspended."""
    return ServerClock(clock, elapsed_ns=boottime_ns)


def _identity(folder: IdentityFolder) -> Identity:
    try:
        return folder.load()
    except NotPaired as error:
        if (revocation := folder.revocation()) is not None:
            raise NotPaired(f"this agent has been revoked: {revocation.reason}", error.hint) from error
        raise


async def _run(agent: Agent) -> Outcome:
    loop = asyncio.get_running_loop()
    manager = ServiceManager.of_this_process()
    stopping = False

    def on_signal() -> None:
        nonlocal stopping
        if stopping:
            # Everything durable is durable already; a person who asks twice wants it now.
            sys.stderr.flush()
            os._exit(130)
        stopping = True
        manager.tell("STOPPING=1")
        agent.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with manager.attended():
        return await agent.run()


PAIRING_CREDENTIAL = "pairing"
"""Holds one line, `ADDRESS CODE`: with it a box pairs itself at its first start."""
CREDENTIAL_LIMIT_BYTES = 4096


def pairing_credential() -> tuple[str, str] | None:
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
