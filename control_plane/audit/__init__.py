"""The append-only record of who did what: one hash chain for each studio and one for the platform.

`services.record` writes an entry in the transaction of the act; `chain` is the pure rule of the hashes; `verify`
checks a chain and names the first bad entry. Entries hold ids, never names.
"""
