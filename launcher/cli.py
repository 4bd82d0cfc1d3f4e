"""`threedance`: the command line of the operators of a control plane. It parses, calls and prints."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from launcher.doctor import run_checks
from launcher.errors import LauncherError, NotRunning
from launcher.ports import listen
from launcher.privileges import drop_to_owner
from launcher.progress_console import ProgressConsole
from launcher.stack import (
    LISTEN_HOST,
    LISTEN_PORT,
    Options,
    Stack,
    claim_state_folder,
    read_runtime_info,
    service_urls,
)
from launcher.state_folder import control_plane_environment, resolve_state_folder
from shared import __version__
from shared.kernel.logs import configure_logs
from shared.kernel.terminal import make_printable

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
ABOUT = """Run and manage a 3Dance control plane.

The control plane is the server of one or more dance studios: agents in the studios record classes and upload them here,
and people see and manage them here in a browser. `threedance up` runs all of it on this machine."""

make_printable(sys.stdout)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    context_settings=HELP,
    pretty_exceptions_enable=False,
    # Plain, as the command line of the agent.
    rich_markup_mode=None,
)
admin_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Manage accounts that belong to no studio yet."
)
studio_app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Manage studios, each with its own people and footage.",
)
operator_app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Manage the operators of the platform.",
)
app.add_typer(admin_app, name="admin")
app.add_typer(operator_app, name="operator")
app.add_typer(studio_app, name="studio")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar="THREEDANCE_STATE",
        help="The folder that holds all data of the control plane.",
        show_default=False,
    ),
]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"threedance {__version__}")
        raise typer.Exit


@app.callback(help=ABOUT)
def program(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version.", callback=_print_version)
    ] = False,
) -> None:
    """Parse the options before the command."""


@contextlib.contextmanager
def _plain_errors(status: int = 1) -> Iterator[None]:
    try:
        yield
    except LauncherError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        if error.hint:
            err.print(f"[bold]what to do:[/] {escape(error.hint)}", soft_wrap=True)
        raise typer.Exit(status) from None


@app.command()
def up(
    state: State = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for agents in your network.")
    ] = LISTEN_HOST,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; the next free one if it is taken.")
    ] = LISTEN_PORT,
    public_url: Annotated[
        str,
        typer.Option(
            envvar="THREEDANCE_PUBLIC_URL", help="The address that people use, if it is not host and port."
        ),
    ] = "",
    report: Annotated[
        Path | None, typer.Option(help="Also write to this file what started, and how long each step took.")
    ] = None,
) -> None:
    """Run the whole control plane until Ctrl-C."""
    configure_logs(json_lines=False, level=os.environ.get("THREEDANCE_LOG_LEVEL", "INFO"))
    console = ProgressConsole(err)
    with _plain_errors():
        folder = resolve_state_folder(state)
        # With the rights of the caller: root may take any port and write the report anywhere.
        listener = listen(host, port)
        report_file = report.open("w", encoding="utf-8") if report is not None else None
        claim_state_folder(folder, console.note)
    stack = Stack(Options(folder, host, port, public_url, report_file), console, listener)

    def stop(number: int, frame: FrameType | None) -> None:
        stack.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)

    def ready(url: str) -> None:
        err.print(f"[bold green]3Dance runs at[/] {url}   (state: {folder}; Ctrl-C stops it)", soft_wrap=True)
        err.print(
            "  first time? In another terminal:"
            f" threedance studio create my-studio --admin YOU@EXAMPLE --state {folder}",
            soft_wrap=True,
        )

    with _plain_errors():
        stack.run(on_ready=ready)
    err.print("stopped")


@app.command()
def doctor(state: State = None) -> None:
    """Check what the control plane needs. Prints hints; exit code 1 if a check fails."""
    with _plain_errors():
        folder = resolve_state_folder(state)
        drop_to_owner(folder)
    failures = 0
    for result in run_checks(folder):
        mark = {"ok": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[red]BAD [/]"}[result.level]
        out.print(f"{mark} {escape(result.name)}: {escape(result.text)}", soft_wrap=True)
        if result.hint:
            out.print(f"     -> {escape(result.hint)}", soft_wrap=True)
        failures += result.level == "bad"
    raise typer.Exit(1 if failures else 0)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def manage(
    context: typer.Context,
    state: State = None,
    owner: Annotated[bool, typer.Option(help="Connect as the owner of the tables (for migrate).")] = False,
) -> None:
    """Run a Django management command. `threedance manage help` lists them."""
    if context.args[:1] in ([], ["-h"], ["--help"]):
        out.print(context.get_help(), soft_wrap=True)
        raise typer.Exit
    raise typer.Exit(_manage(state, *context.args, owner=owner))


class Depth(StrEnum):
    """How thoroughly objects are checked; each level includes those before it."""

    PRESENCE = "presence"
    SIZE = "size"
    HASH = "hash"


@app.command()
def fsck(
    state: State = None,
    depth: Annotated[
        Depth,
        typer.Option(
            help="Check that each object exists (presence), is complete (size), or has its hash (hash: reads all data)."
        ),
    ] = Depth.SIZE,
    studio: Annotated[
        list[str] | None, typer.Option(help="Only this studio, by its slug; may be repeated.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Request damaged segments again from their agents.")
    ] = False,
) -> None:
    """Compare database and object stores. Exit code: 0 no damage, 1 damage found, 2 wrong usage.

    A missing or damaged object becomes a gap with its reason: it is recorded and no longer served.
    """
    named = [part for slug in studio or () for part in ("--studio", slug)]
    asked = ("--repair",) if repair else ()
    # A nightly job would take 1 for damage.
    raise typer.Exit(_manage(state, "fsck", "--depth", depth, *named, *asked, not_running=2))


@studio_app.command("create")
def studio_create(
    slug: Annotated[str, typer.Argument(help="Its name in addresses, such as demo-dance.")],
    admin: Annotated[str, typer.Option(help="E-mail of its first admin; a missing account is created.")],
    state: State = None,
    name: Annotated[str, typer.Option(help="The name on screen; default: derived from the slug.")] = "",
    time_zone: Annotated[str, typer.Option(help="Such as Europe/Berlin.")] = "UTC",
) -> None:
    """Create a studio with its first admin. Prints a one-time sign-in link for the admin."""
    named = ("--name", name) if name else ()
    raise typer.Exit(
        _manage(state, "create_studio", slug, "--admin", admin, "--time-zone", time_zone, *named)
    )


@app.command("sign-in-link")
def sign_in_link(
    email: Annotated[str, typer.Argument(help="E-mail of an existing account.")],
    state: State = None,
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long the link is valid.")] = 15,
) -> None:
    """Print a one-time sign-in link for an existing account."""
    raise typer.Exit(_manage(state, "signin_link", email, "--minutes", str(minutes)))


@admin_app.command("create")
def admin_create(email: str, state: State = None) -> None:
    """Create an account that belongs to no studio yet. Prints a one-time sign-in link; there is no password.

    For an existing account use `threedance sign-in-link`.
    """
    raise typer.Exit(_manage(state, "create_admin", email))


@operator_app.command("create")
def operator_create(email: str, state: State = None) -> None:
    """Create a platform operator. Prints a one-time sign-in link; a second factor is required first."""
    raise typer.Exit(_manage(state, "create_operator", email))


@operator_app.command("end")
def operator_end(email: str, state: State = None) -> None:
    """Remove an operator. Also ends all of their break-glass accesses."""
    raise typer.Exit(_manage(state, "end_operator", email))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def audit(context: typer.Context) -> None:
    """Verify an exported audit log, on any machine.

    Usage: `threedance audit verify FILE`; `threedance audit verify -h` lists the options.
    """
    if context.args[:1] in ([], ["-h"], ["--help"]):
        out.print(context.get_help(), soft_wrap=True)
        raise typer.Exit
    command = [sys.executable, "-m", "control_plane.audit.program", *context.args]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command("version")
def version_() -> None:
    """Print the version."""
    _print_version(True)


def _manage(state: Path | None, *arguments: str, owner: bool = False, not_running: int = 1) -> int:
    with _plain_errors(not_running):
        folder = resolve_state_folder(state)
        drop_to_owner(folder)
        if read_runtime_info(folder) is None and os.environ.get("THREEDANCE_DATABASE_URL") is None:
            raise NotRunning(folder)
        environment = (
            dict(os.environ)
            if "THREEDANCE_DATABASE_URL" in os.environ
            else control_plane_environment(folder, service_urls(folder))
        )
    role = {"THREEDANCE_DATABASE_ROLE": "owner"} if owner else {}
    return subprocess.run(
        [sys.executable, "-m", "control_plane.config.commands", *arguments],
        env={**environment, **role},
        check=False,
    ).returncode


def main() -> None:
    """Runs the program."""
    app()


if __name__ == "__main__":
    main()
