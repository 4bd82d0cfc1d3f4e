"""Every type that crosses the wire between agent and control plane, and nothing else.

All types are frozen msgspec structs; JSON is the encoding. Messages of the websocket are one tagged union per
direction (`messages.FromAgent`, `messages.ToAgent`), told apart by the field `type`. Instants are UTC `datetime`s with a
time zone, in fields that end in `_at`; media times are 90 kHz ticks in fields that end in `_90k`.
The JSON Schema of each type stands in `docs/ref/protocol.schema.json`, golden examples in `tests/shared/vectors`.
"""
