"""The command `threedance-agent`. `main` is the entry point; the commands are in `app`."""

import sys

OLDEST_PYTHON = (3, 11)


def main() -> None:
    """Runs the command line, or says why it cannot."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            "error: threedance-agent needs Python {}.{} or newer; this is Python {}.{}\n"
            "  what to do: install a newer Python and install threedance[agent] with it".format(
                *OLDEST_PYTHON, *sys.version_info[:2]
            )
        )
    try:
        # Only now: these modules do not even compile on an older Python, and need the extra `agent`.
        if sys.argv[1:2] == ["run"]:
            from edge_agent.cli.run import run_plainly

            run_plainly(sys.argv[1:])
        from edge_agent.cli.app import run_app
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("edge_agent", "shared"):
            raise
        sys.exit(
            f"error: the package {error.name} is missing\n"
            "  what to do: install the agent with all it needs: pip install 'threedance[agent]'"
        )
    run_app()
