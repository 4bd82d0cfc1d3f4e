"""Where bytes and keys rest: the `ObjectStore` Protocol with a local and an S3 implementation, key wrapping, sealed boxes.

Knows nothing of studios or classes; `studios.vault` gives keys their meaning.
"""
