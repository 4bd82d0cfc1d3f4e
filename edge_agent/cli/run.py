"""`run`: the agent as a process, with signals, logs and exit status."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_agent.cli.camera_lines import CameraLines
from edge_agent.cli.console import EXIT_REVOKED, checked_state, default_state, err, exit_with
from edge_agent.cli.pairing import pair_from_credential
from edge_agent.control.identity import Identity, IdentityFolder
from edge_agent.core.agent import Agent, Outcome
from edge_agent.errors import AgentError, NotPaired
from edge_agent.settings import load_settings
from edge_agent.spool.spool import Spool
from shared.kernel.clock import Clock, ServerClock, SystemClock, boottime_ns
from shared.kernel.logs import configure_logs
from shared.kernel.service import ServiceManager


def run_command(state: Path, *, json_logs: bool | None) -> int:
    """Runs the command `run` and returns its exit status.

    Args:
        state: the state folder.
        json_logs: whether logs are JSON; None: text in a terminal, JSON elsewhere.

    Raises:
        AgentError: the agent could not start.
    """
    pair_from_credential(state)
    outcome = run_agent(state, json_logs=not sys.stderr.isatty() if json_logs is None else json_logs)
    if outcome is Outcome.REVOKED:
        err.print("This agent has been revoked. Recordings on its disk are kept.")
        return EXIT_REVOKED
    return 0


def run_plainly(arguments: Sequence[str]) -> None:
    """Runs a plain `run` command and ends the program; returns where the full command line has to read the arguments."""
    try:
        parsed = parse_run(arguments, os.environ)
        if parsed is None:
            return
        state, json_logs = parsed
        sys.exit(run_command(state, json_logs=json_logs))
    except AgentError as error:
        exit_with(error)


def parse_run(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[Path, bool | None] | None:
    """Returns the state folder and the log format of a plain `run` command.

    The service starts with it. Typer would load pydantic to read one path: 0.2 s of processor time and 12 MB, a third of
    a start. Anything but the two options of `run` (help, `--debug`, a mistake) returns None, and typer reads it.

    Raises:
        HomeMissing, StateUnwritable: the state folder cannot be used.
    """
    if list(arguments[:1]) != ["run"]:
        return None
    state = environment.get("THREEDANCE_AGENT_STATE") or None
    json_logs: bool | None = None
    words = iter(arguments[1:])
    for word in words:
        if word in ("--json-logs", "--text-logs"):
            json_logs = word == "--json-logs"
            continue
        name, equals, value = word.partition("=")
        if name != "--state":
            return None
        state = value if equals else next(words, "-")
        if state.startswith("-"):
            return None
    return checked_state(Path(state) if state is not None else default_state()), json_logs


def run_agent(state: Path, *, json_logs: bool) -> Outcome:
    """Runs the agent of a state folder until SIGTERM, SIGINT or a revocation; a second signal ends it at once.

    Raises:
        AgentError: it could not start; the message says why.
    """
    settings = load_settings(state)
    configure_logs(json_lines=json_logs, level=settings.log_level)
    for library in ("httpx", "httpcore", "websockets", "libav"):
        # Their log lines contain full addresses, including signed ones.
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
    """Returns the server's clock, which keeps running while the machine is suspended."""
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
            # Everything durable is durable already; a second signal ends the process at once.
            sys.stderr.flush()
            os._exit(130)
        stopping = True
        manager.tell("STOPPING=1")
        agent.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with manager.attended():
        return await agent.run()
