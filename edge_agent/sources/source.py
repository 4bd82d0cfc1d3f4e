"""One way to get packets out of a camera, as a Protocol."""

from collections.abc import Iterator
from typing import Protocol

from edge_agent.sources.packet import MediaPacket, StreamInfo


class Source(Protocol):
    """A camera that is read once, from `open` to `close`, by one thread. All methods block; only `abort` may be called
    from another thread.

    Every implementation raises `CameraFailed`, and nothing else, for what is the camera's fault.
    """

    def open(self) -> StreamInfo:
        """Connects and returns what the camera carries.

        Raises:
            CameraFailed: with the reason.
        """
        ...

    def packets(self) -> Iterator[MediaPacket]:
        """Yields packets as they come, video from a key frame on; ends where the camera ends the stream.

        Raises:
            CameraFailed: with the reason.
        """
        ...

    def close(self) -> None:
        """Lets go of the connection; harmless twice."""
        ...

    def abort(self) -> None:
        """Ends a waiting `open` or `packets` soon. The one method that another thread may call."""
        ...
