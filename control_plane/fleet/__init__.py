"""Agents, pairing, cameras, and the desired and reported configuration of each agent.

Flow: `pairing` makes an agent -> `services` edits cameras and orders and publishes the next version of the agent's
configuration -> `announcements` announces the change over Valkey -> `gateway` (the agents' websocket) or `api` (HTTP)
delivers it -> `reports` stores whether the agent applied it. Does not import `recordings` or `ingest`.
"""
