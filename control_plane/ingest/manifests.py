"""Is a manifest sound in itself? Pure."""

import itertools

from shared.protocol.manifest import SegmentManifest

LARGEST_SEGMENT_BYTES = 256 << 20
BLOCK_BYTES = 16


def fault(manifest: SegmentManifest) -> str:
    """Returns what is wrong with a manifest, naming the field; empty where it is sound.

    The blobs have to lie one behind the other from the object's first byte to its last, each a whole number of AES
    blocks; the fragments have to follow each other in media time.
    """
    if manifest.size_bytes > LARGEST_SEGMENT_BYTES:
        return f"size_bytes: {manifest.size_bytes} is over {LARGEST_SEGMENT_BYTES}"
    at = 0
    blobs = [("init", manifest.init)]
    blobs += [(f"fragments[{index}].blob", item.blob) for index, item in enumerate(manifest.fragments)]
    for name, blob in blobs:
        if blob.offset_bytes != at:
            return f"{name}.offset_bytes: {blob.offset_bytes} where {at} was expected"
        if blob.size_bytes % BLOCK_BYTES:
            return f"{name}.size_bytes: {blob.size_bytes} is no whole number of {BLOCK_BYTES}-byte blocks"
        at += blob.size_bytes
    if at != manifest.size_bytes:
        return f"size_bytes: {manifest.size_bytes}, but the blobs end at {at}"
    pts = [item.pts_90k for item in manifest.fragments]
    if any(later <= earlier for earlier, later in itertools.pairwise(pts)):
        return "fragments: their pts_90k do not rise"
    if manifest.clock.anchor_at.tzinfo is None or manifest.closed_at.tzinfo is None:
        return "clock.anchor_at, closed_at: they need a time zone"
    return ""
