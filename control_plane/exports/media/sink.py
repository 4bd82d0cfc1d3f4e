"""The end of a muxer: collects the bytes that it writes, front to back."""


class Sink:
    """A file object that cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keeps a part."""
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Returns the bytes since the last call; may be none."""
        taken, self._parts = b"".join(self._parts), []
        return taken
