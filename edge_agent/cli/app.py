"""The commands of `threedance-agent` and their output.

Each command imports what it alone needs when it is called, to keep starts short.
"""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from edge_agent.cli.console import (
    EXIT_FAILED,
    checked_state,
    default_state,
    exit_with,
    in_state,
    out,
    print_note,
)
from edge_agent.errors import AgentError, SettingsInvalid, StateUnwritable
from edge_agent.local.status_socket import read_status
from edge_agent.settings import Settings, check_media_name, load_settings, save_settings
from edge_agent.spool.scrub import CheckDepth
from shared import __version__
from shared.protocol.version import PROTOCOL_VERSION

CLOCK_TOLERANCE_S = 5.0

app = typer.Typer(
    name="threedance-agent",
    help="Records the cameras of a dance room and brings the recordings, encrypted, to the studio's control plane.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
media = typer.Typer(
    help="This machine's list of video files that may act as cameras.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(media, name="media")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        _version()
        raise typer.Exit


StateOption = Annotated[
    Path,
    typer.Option(
        "--state",
        metavar="DIR",
        envvar="THREEDANCE_AGENT_STATE",
        help="Folder of the agent's identity, configuration and recordings.",
        default_factory=default_state,
        show_default="~/.local/state/threedance-agent",
        callback=checked_state,
    ),
]


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    if debug:
        os.environ["THREEDANCE_DEBUG"] = "1"


def run_app() -> None:
    """Runs the command line; an `AgentError` is printed as one line and a hint."""
    try:
        app()
    except AgentError as error:
        exit_with(error)


@app.command("pair")
def _pair(
    url: Annotated[str, typer.Argument(help="The address of the control plane, as in the browser.")],
    code: Annotated[str, typer.Argument(help="The code under Agents -> Add agent, XXXX-XXXX.")],
    state: StateOption,
    replace: Annotated[bool, typer.Option("--replace", help="Give a paired agent a new identity.")] = False,
) -> None:
    """Make this machine an agent of a studio."""
    from edge_agent.cli.pairing import claim

    paired = claim(url, code, state, replace=replace)
    answer = paired.identity.pairing.answer
    out.print(Text.assemble("Paired with ", (answer.studio_name, "bold"), f" at {paired.identity.address}."))
    out.print(
        f"Key fingerprint {paired.identity.keys.fingerprint}: compare it with the one in the portal under Agents."
    )
    if abs(paired.clock_offset_s) > CLOCK_TOLERANCE_S:
        off = timedelta(seconds=round(abs(paired.clock_offset_s)))
        direction = "behind" if paired.clock_offset_s > 0 else "ahead of"
        print_note(
            f"the clock of this machine is {off} {direction} the server's. Recordings use the server's time; "
            "still, set the clock (timedatectl set-ntp true)."
        )
    if read_status(state) is not None:
        print_note("an agent is running here; restart it to use its new identity.")
    else:
        out.print(Text.assemble("Next: ", (in_state("threedance-agent run", state), "bold")))


@app.command("run")
def _run(
    state: StateOption,
    json_logs: Annotated[
        bool | None,
        typer.Option("--json-logs/--text-logs", help="By default text in a terminal, JSON elsewhere."),
    ] = None,
) -> None:
    """Record and upload until stopped (Ctrl-C)."""
    from edge_agent.cli import run

    raise typer.Exit(run.run_command(state, json_logs=json_logs))


@app.command("status")
def _status(
    state: StateOption,
    once: Annotated[bool, typer.Option("--once", help="Print the table once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what the running agent does: cameras, recordings, spool, uploads."""
    from edge_agent.cli import status as views

    if not views.show(state, once=once or as_json, as_json=as_json):
        raise typer.Exit(EXIT_FAILED)


@app.command("check")
def _check(
    state: StateOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check this machine, and show what is wrong and what to do about it."""
    from edge_agent.cli import check as checks

    findings = asyncio.run(checks.examine(state))
    checks.show(findings, as_json=as_json)
    if any(finding.grade is checks.Grade.FAILED for finding in findings):
        raise typer.Exit(EXIT_FAILED)


@app.command("spool-check")
def _spool_check(
    state: StateOption,
    depth: Annotated[
        CheckDepth,
        typer.Option(
            help="presence: does each file exist? size: is it complete? hash: is its content unchanged?"
        ),
    ] = CheckDepth.SIZE,
) -> None:
    """Verify the recordings on this disk against the index; an agent may be running."""
    from edge_agent.cli import spool_check

    if spool_check.show(state, depth):
        raise typer.Exit(EXIT_FAILED)


@app.command("retry-update")
def _retry_update(
    record: Annotated[
        Path,
        typer.Option(envvar="THREEDANCE_AGENT_RECORD", help="The root-owned folder of the updates."),
    ] = Path("/var/lib/threedance-agent-update"),
) -> None:
    """Allow versions that were rolled back to be tried again. Needs root."""
    from edge_agent.update.journal import Record

    try:
        versions = Record(record).clear_rollbacks()
    except OSError as error:
        refused = StateUnwritable(str(record), error.strerror or str(error))
        refused.hint = "Run it as root: sudo threedance-agent retry-update"
        raise refused from error
    if versions:
        out.print(
            f"Tried again at the next check, within six hours or after a restart: {', '.join(versions)}"
        )
    else:
        out.print("No version was rolled back here.")


@app.command("version")
def _version() -> None:
    """Print the version of this agent and of the protocol it speaks."""
    out.print(f"threedance-agent {__version__}, protocol {PROTOCOL_VERSION}, Python {sys.version.split()[0]}")


@media.command("add")
def _media_add(
    name: Annotated[str, typer.Argument(help="The name to enter for the camera in the administration.")],
    path: Annotated[Path, typer.Argument(help="The video file on this machine.")],
    state: StateOption,
) -> None:
    """Allow a file camera to use this video file."""
    from edge_agent.cli.media import video_file

    settings = _settings(state)
    check_media_name(name)
    file, carries = video_file(path)
    _save(state, settings, {**settings.media, name: str(file)})
    out.print(Text(f"{name} is {file}: {carries}."), soft_wrap=True)


@media.command("list")
def _media_list(state: StateOption) -> None:
    """List the files that cameras may use."""
    from rich.table import Table

    files = _settings(state).media
    if not files:
        hint = in_state("threedance-agent media add NAME PATH", state)
        out.print(f"No media files. Add one with: {hint}", soft_wrap=True)
        return
    table = Table("name", "file", "", box=None, pad_edge=False)
    for name, file in sorted(files.items()):
        table.add_row(name, file, "" if Path(file).is_file() else "missing")
    out.print(table)


@media.command("remove")
def _media_remove(name: str, state: StateOption) -> None:
    """Remove a file from the list; the file itself stays."""
    settings = _settings(state)
    if name not in settings.media:
        known = ", ".join(sorted(settings.media)) or "none"
        raise SettingsInvalid(f"there is no media file {name!r} on the list", f"On the list: {known}.")
    _save(state, settings, {key: file for key, file in settings.media.items() if key != name})
    out.print(f"{name} was removed from the list.")


def _settings(state: Path) -> Settings:
    return load_settings(state)


def _save(state: Path, settings: Settings, files: dict[str, str]) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateUnwritable(str(state), error.strerror or str(error)) from error
    save_settings(state, msgspec.structs.replace(settings, media=files))
