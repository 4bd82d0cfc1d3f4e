"""Pure: how a camera's media clock maps to UTC. Imports `capture` for the type of a packet, and `shared`."""
