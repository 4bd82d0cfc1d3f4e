"""The encrypted buffer on the disk: segment writer, journal, index, recovery, cleaner, disk budget, scrub.

`Spool` is the buffer that recordings fill and uploads empty. Plaintext never touches the disk, and recovery needs no key.
Imports `settings`, `errors`, `files` and `shared` alone: it knows neither cameras nor the network.
"""
