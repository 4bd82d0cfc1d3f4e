"""All types that agent and control plane exchange.

All types are frozen msgspec structs; JSON is the encoding. Messages of the websocket are one tagged union per
direction (`messages.FromAgent`, `messages.ToAgent`), distinguished by the field `type`. Instants are UTC `datetime`s with a
time zone, in fields that end in `_at`; media times are 90 kHz ticks in fields that end in `_90k`.
The JSON Schema of each type is in `docs/ref/protocol.schema.json`, golden examples in `tests/shared/vectors`.
"""
