"""The Debian package of the agent, its service units, and signed releases."""
