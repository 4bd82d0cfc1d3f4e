"""`manage demo_studio`: creates the demo studio and prints sign-in links; with `--json`, runs the demo's steps."""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from control_plane.common.errors import ControlPlaneError
from control_plane.console import demo_exports
from control_plane.console.demo import DemoStudio, Facts
from control_plane.console.demo_families import share

STEPS: dict[str, Callable[..., Facts]] = {
    "share": share,
    "keep": demo_exports.keep,
    "export": demo_exports.request,
    "export_progress": demo_exports.export_progress,
    "save_export": demo_exports.save_export,
}
"""Steps beyond those of `DemoStudio`."""


class Command(BaseCommand):
    """Creates the demo studio if it is missing.

    With `--json` it answers requests until its input ends: each line of input is `{"do": NAME, ...}`, each line of output is
    the answer, or `{"error": text}`.
    """

    help = (
        "Create the demo studio and print one-time sign-in links; --json: answer requests on standard input."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds `--json`."""
        parser.add_argument(
            "--json",
            action="store_true",
            help="read requests from standard input, one JSON object per line, and answer them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: the studio cannot be created.
        """
        try:
            demo = DemoStudio.open()
        except ControlPlaneError as error:
            raise CommandError(error.detail or str(error.code)) from error
        if options["json"]:
            return self._serve(demo)
        for part, link in demo.links().items():
            self.stdout.write(f"{part}: {link}")
        return None

    def _serve(self, demo: DemoStudio) -> None:
        steps: dict[str, Callable[..., Facts]] = {
            step.__name__: step
            for step in (
                demo.facts, demo.enrol, demo.set_cameras, demo.cameras, demo.record, demo.stop, demo.progress, demo.report,
                demo.links,
            )
        }  # fmt: skip
        for name, step in STEPS.items():
            steps[name] = partial(step, demo)
        for line in sys.stdin:
            close_old_connections()
            try:
                request = json.loads(line)
                answer = steps[request.pop("do")](**request)
            except ControlPlaneError as error:
                answer = {"error": error.detail or str(error.code), "code": str(error.code)}
            except (KeyError, TypeError, ValueError) as error:
                answer = {"error": f"invalid request: {error!r}", "code": "bad_request"}
            self.stdout.write(json.dumps(answer))
            self.stdout.flush()
