"""The port of all camera sources."""

from collections.abc import Iterator
from typing import Protocol

from edge_agent.sources.packet import MediaPacket, StreamInfo


class Source(Protocol):
    """A camera that is read once, from `open` to `close`, by one thread.

    All methods block; only `abort` may be called from another thread. Every implementation raises `CameraFailed`, and
    nothing else, for faults of the camera.
    """

    def open(self) -> StreamInfo:
        """Connects and returns the camera's streams.

        Raises:
            CameraFailed: with the reason.
        """
        ...

    def packets(self) -> Iterator[MediaPacket]:
        """Yields packets as they arrive, video from a key frame on, until the camera ends the stream.

        Raises:
            CameraFailed: with the reason.
        """
        ...

    def close(self) -> None:
        """Closes the connection; idempotent."""
        ...

    def abort(self) -> None:
        """Ends a waiting `open` or `packets` soon. The one method that another thread may call."""
        ...
