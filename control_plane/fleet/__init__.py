"""The boxes: agents, pairing, cameras, what each is to do (desired) and what it says it does (reported).

Flow: `pairing` makes an agent -> `services` edits cameras and orders and publishes the next version of the agent's
configuration -> `announce` says "version N exists" over Valkey -> `gateway` (the agents' websocket) or `api` (HTTP)
hands it over -> `reports` takes back what became of it. Imports nothing of recordings or ingest.
"""
