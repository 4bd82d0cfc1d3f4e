"""Storage: the `ObjectStore` Protocol with a local and an S3 implementation, and the stores of a studio.

A studio's own stores are probed before use; their secrets are wrapped by `keys.vault`. The deletion queue holds objects that
are no longer needed. Code that must know segments (store migrations, deletion of due objects) is in `recordings`.
"""
