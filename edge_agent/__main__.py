"""`python -m edge_agent` is `threedance-agent`."""

from edge_agent.cli import main

main()
