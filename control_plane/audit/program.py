"""`threedance audit`: verification with files alone."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from control_plane.audit.exports import BadFile, Export
from control_plane.audit.offline import Kept, read_kept, verify_export

HOLDS, BROKEN, UNREADABLE = 0, 1, 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The audit log: verify an export on any machine.",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@app.callback()
def _of_the_log() -> None:
    """The audit log: verify an export on any machine."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="An export of the log: .jsonl or .csv.", dir_okay=False)],
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="A file or folder of checkpoints or receipts, best one that never was on the server."
        ),
    ] = None,
    public_key: Annotated[
        str, typer.Option(help="Whose signatures they must be, as `threedance manage audit_key` prints it.")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Verify an exported log. Exit code: 0 valid, 1 invalid (the first bad entry is named), 2 unreadable."""
    try:
        kept = read_kept(checkpoints, public_key=public_key) if checkpoints else Kept()
        size_bytes = Export(file).size_bytes
        with Progress(
            "verifying", BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err, disable=quiet
        ) as bar:
            task = bar.add_task("", total=size_bytes)
            verdict = verify_export(
                file,
                checkpoints=kept.checkpoints,
                public_key=public_key,
                report=lambda read_bytes: bar.update(task, completed=read_bytes),
            )
            bar.update(task, completed=size_bytes)
    except (OSError, BadFile) as error:
        err.print(f"[bold red]error:[/] {error}")
        raise typer.Exit(UNREADABLE) from None
    if verdict.first_break:
        out.print(f"BROKEN at entry {verdict.first_break.sequence}: {verdict.first_break.reason}")
    for fault in (*verdict.faults, *kept.faults):
        out.print(f"WRONG: {fault}")
    for note in (*kept.notes, *verdict.notes):
        out.print(f"note: {note}")
    if checkpoints:
        out.print(
            f"{len(kept.checkpoints)} checkpoints read, {verdict.checkpoints_met} of them end within this file"
        )
        if verdict.checkpoints_met == 0:
            out.print("note: no checkpoint ends in this file: who could rewrite all of it could hide that")
    holds = verdict.holds and not kept.faults
    if holds:
        out.print(f"{verdict.entries} entries, unbroken")
    raise typer.Exit(HOLDS if holds else BROKEN)


if __name__ == "__main__":
    app(prog_name="threedance audit")
