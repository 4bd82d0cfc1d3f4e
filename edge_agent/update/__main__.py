"""`python -m edge_agent.update`: what the unit `threedance-agent-update.service` runs as root."""

from edge_agent.update.verify import main

main()
