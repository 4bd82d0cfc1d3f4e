"""`threedance`: the program of whoever runs a control plane. It parses, calls and prints; what it does is elsewhere."""

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

from control_plane.audit.program import app as audit_app
from launcher import doctor as doctors
from launcher.errors import NotRunning, SupervisorError
from launcher.ports import listen
from launcher.privileges import enter
from launcher.progress_console import Screen
from launcher.stack import (
    LISTEN_HOST,
    LISTEN_PORT,
    House,
    Options,
    addresses,
    running,
    take_over,
)
from launcher.state_folder import environment, state_folder
from shared import __version__
from shared.kernel.logs import configure_logs
from shared.kernel.terminal import make_printable

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
ABOUT = """Run and look after a 3Dance control plane.

The control plane is the server of one or more dance studios: agents in the studios record classes and upload them here,
and people see and manage them here in a browser. `threedance up` runs all of it on this machine."""

make_printable(sys.stdout)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    context_settings=HELP,
    pretty_exceptions_enable=False,
    # Plain, as the agent's program is: both are one product.
    rich_markup_mode=None,
)
admin_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Accounts that belong to no studio yet."
)
studio_app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Studios, each with its own people and footage.",
)
operator_app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="People who run the platform.",
)
app.add_typer(admin_app, name="admin")
app.add_typer(operator_app, name="operator")
app.add_typer(studio_app, name="studio")
app.add_typer(audit_app, name="audit")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

State = Annotated[
    Path | None,
    typer.Option(
        "--state", envvar="THREEDANCE_STATE", help="The folder that holds everything.", show_default=False
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
    """Take the options that stand before the command."""


@contextlib.contextmanager
def _plain_errors(status: int = 1) -> Iterator[None]:
    try:
        yield
    except SupervisorError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        if error.hint:
            err.print(f"[bold]what to do:[/] {escape(error.hint)}", soft_wrap=True)
        raise typer.Exit(status) from None


@app.command()
def up(
    state: State = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for boxes in your network.")
    ] = LISTEN_HOST,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; the next free one where it is taken.")
    ] = LISTEN_PORT,
    public_url: Annotated[
        str,
        typer.Option(
            envvar="THREEDANCE_PUBLIC_URL", help="The address people use, where it is not host and port."
        ),
    ] = "",
    report: Annotated[
        Path | None, typer.Option(help="Also write here what started, and how long each step took.")
    ] = None,
) -> None:
    """Run the whole control plane until Ctrl-C."""
    configure_logs(json_lines=False, level=os.environ.get("THREEDANCE_LOG_LEVEL", "INFO"))
    screen = Screen(err)
    with _plain_errors():
        folder = state_folder(state)
        # As whoever calls this: root may take any port, and write the report anywhere.
        listener = listen(host, port)
        told = report.open("w", encoding="utf-8") if report is not None else None
        take_over(folder, screen.note)
    house = House(Options(folder, host, port, public_url, told), screen, listener)

    def stop(number: int, frame: FrameType | None) -> None:
        house.ask_to_stop()

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
        house.run(on_ready=ready)
    err.print("stopped")


@app.command()
def doctor(state: State = None) -> None:
    """Test what the control plane stands on. Says what to mend; exit code 1 where anything is broken."""
    with _plain_errors():
        folder = state_folder(state)
        enter(folder)
    faults = 0
    for finding in doctors.examine(folder):
        mark = {"ok": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[red]BAD [/]"}[finding.level]
        out.print(f"{mark} {escape(finding.name)}: {escape(finding.text)}", soft_wrap=True)
        if finding.hint:
            out.print(f"     -> {escape(finding.hint)}", soft_wrap=True)
        faults += finding.level == "bad"
    raise typer.Exit(1 if faults else 0)


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
    """How closely objects are looked at; each includes those before it."""

    PRESENCE = "presence"
    SIZE = "size"
    HASH = "hash"


@app.command()
def fsck(
    state: State = None,
    depth: Annotated[
        Depth,
        typer.Option(
            help="Is it there (presence), is it whole (size), is it what was written (hash: reads everything)?"
        ),
    ] = Depth.SIZE,
    studio: Annotated[
        list[str] | None, typer.Option(help="Only this studio, by its slug; may be repeated.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Ask the boxes to send what is damaged once more.")
    ] = False,
) -> None:
    """Compare database and object stores. Exit code: 0 clean, 1 findings, 2 bad use.

    What is missing or damaged becomes a gap with its reason, is served no longer, and is on record.
    """
    named = [part for slug in studio or () for part in ("--studio", slug)]
    asked = ("--repair",) if repair else ()
    # 1 would look like damage to whatever runs this each night.
    raise typer.Exit(_manage(state, "fsck", "--depth", depth, *named, *asked, not_running=2))


@studio_app.command("create")
def studio_create(
    slug: Annotated[str, typer.Argument(help="Its place in addresses, such as demo-dance.")],
    admin: Annotated[
        str, typer.Option(help="E-mail of its first admin; an account is made where there is none.")
    ],
    state: State = None,
    name: Annotated[str, typer.Option(help="The name on screen; from the slug where it is not given.")] = "",
    time_zone: Annotated[str, typer.Option(help="Such as Europe/Berlin.")] = "UTC",
) -> None:
    """Make a studio with its first admin. Prints what was made, and the admin's one-time sign-in link."""
    named = ("--name", name) if name else ()
    raise typer.Exit(
        _manage(state, "create_studio", slug, "--admin", admin, "--time-zone", time_zone, *named)
    )


@app.command("sign-in-link")
def sign_in_link(
    email: Annotated[str, typer.Argument(help="Of somebody who has an account; none is made.")],
    state: State = None,
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long the link works.")] = 15,
) -> None:
    """Print a one-time sign-in link for an account. None is made: an unknown address is refused."""
    raise typer.Exit(_manage(state, "signin_link", email, "--minutes", str(minutes)))


@admin_app.command("create")
def admin_create(email: str, state: State = None) -> None:
    """Make an account that belongs to no studio yet. Prints a one-time sign-in link; there is no password.

    For somebody who has an account: `threedance sign-in-link`.
    """
    raise typer.Exit(_manage(state, "create_admin", email))


@operator_app.command("create")
def operator_create(email: str, state: State = None) -> None:
    """Make a platform operator. Prints a one-time sign-in link; a second factor has to be added first of all."""
    raise typer.Exit(_manage(state, "create_operator", email))


@operator_app.command("end")
def operator_end(email: str, state: State = None) -> None:
    """End somebody's part as operator. Ends every visit of theirs to a studio, too."""
    raise typer.Exit(_manage(state, "end_operator", email))


@app.command("version")
def version_() -> None:
    """Print the version."""
    _print_version(True)


def _manage(state: Path | None, *arguments: str, owner: bool = False, not_running: int = 1) -> int:
    with _plain_errors(not_running):
        folder = state_folder(state)
        enter(folder)
        if running(folder) is None and os.environ.get("THREEDANCE_DATABASE_URL") is None:
            raise NotRunning(folder)
        told = (
            dict(os.environ)
            if "THREEDANCE_DATABASE_URL" in os.environ
            else environment(folder, addresses(folder))
        )
    role = {"THREEDANCE_DATABASE_ROLE": "owner"} if owner else {}
    return subprocess.run(
        [sys.executable, "-m", "control_plane.config.commands", *arguments], env={**told, **role}, check=False
    ).returncode


def main() -> None:
    """Runs the program."""
    app()


if __name__ == "__main__":
    main()
