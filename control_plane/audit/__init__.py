"""The append-only audit log: one hash chain per studio and one for the platform.

`services.record` writes an event in the transaction of the change; `chain` holds the pure rule of the hashes;
`selectors.verify_chain` checks a chain and names the first bad entry. Entries hold ids, never names.
"""
