"""Storage: the `ObjectStore` Protocol with a local and an S3 implementation, and the stores of a studio.

A studio's own stores are probed before use; their secrets are wrapped by `keys.vault`. The deletion queue holds objects that
nothing needs any more. What has to know segments (copying them to another store, deleting what is due) is in `recordings`.
"""
