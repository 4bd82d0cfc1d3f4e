"""`spool-check`: verifies the files of the spool against its index."""

import sqlite3
from pathlib import Path

from edge_agent.cli.console import out
from edge_agent.errors import StateUnwritable
from edge_agent.spool.index import Index
from edge_agent.spool.layout import Layout
from edge_agent.spool.scrub import CheckDepth, check_spool


def show(state: Path, depth: CheckDepth) -> int:
    """Prints the damaged segments of a state folder's spool, and returns how many there are.

    Raises:
        StateUnwritable: there is no spool, or its index cannot be opened.
    """
    layout = Layout(state)
    if not layout.index.exists():
        raise StateUnwritable(str(state), "no agent has recorded here yet")
    try:
        index = Index(layout.index)
    except sqlite3.Error as error:
        raise StateUnwritable(str(layout.index), f"{error}; a restart of the agent rebuilds it") from error
    checked = wrong = 0
    try:
        for finding in check_spool(layout, index, depth):
            checked += 1
            if finding is not None:
                wrong += 1
                out.print(f"{finding.path.relative_to(state)}: {finding.problem}", soft_wrap=True)
    finally:
        index.close()
    out.print(f"{checked} segments checked ({depth}), {wrong or 'none'} of them damaged.")
    return wrong
