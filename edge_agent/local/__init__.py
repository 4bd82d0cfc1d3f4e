"""The agent on its own machine: the status socket that `threedance-agent status` and `check` read."""
