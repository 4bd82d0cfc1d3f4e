"""RTSP framing: splits a byte stream into messages and interleaved packets. Pure.

Source: RFC 2326, sections 4 to 7 and 10.12.
"""

import re
from dataclasses import dataclass

HEAD_LIMIT_BYTES = 16 << 10
BODY_LIMIT_BYTES = 64 << 10
"""FFmpeg reads no longer stream description; cameras send about one kilobyte."""
SKIP_LIMIT_BYTES = 1 << 20
"""Limit of consecutive bytes that are neither message nor packet; a wrong packet length costs up to 64 KiB."""

_DOLLAR = 0x24
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_START = re.compile(rb"RTSP/\d\.\d \d{3}|[A-Z_]{3,20} \S{1,4096} RTSP/\d\.\d")
_LONGEST_METHOD = 20


class NotRtsp(Exception):
    """The data is not RTSP; `began_with` are its first bytes."""

    def __init__(self, began_with: bytes, reason: str) -> None:
        super().__init__(reason)
        self.began_with = began_with


@dataclass(frozen=True)
class Message:
    """A request or a response. Header names are lower-case; repeated headers are repeated."""

    start: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def is_response(self) -> bool:
        """Whether it is a response."""
        return self.start.startswith("RTSP/")

    @property
    def status(self) -> int:
        """The status code of a response; 0 where there is none."""
        word = self.start.split(" ", 2)[1:2]
        return int(word[0]) if word and word[0].isascii() and word[0].isdigit() and len(word[0]) == 3 else 0

    @property
    def reason(self) -> str:
        """The reason phrase of a response."""
        return self.start.split(" ", 2)[2] if self.start.count(" ") >= 2 else ""

    @property
    def method(self) -> str:
        """The method of a request."""
        return self.start.split(" ", 1)[0]

    @property
    def uri(self) -> str:
        """The address that a request is about."""
        return self.start.split(" ", 2)[1] if " " in self.start else ""

    def header(self, name: str) -> str:
        """Returns the first header of this name, in lower case; empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def headers_called(self, name: str) -> list[str]:
        """Returns all headers of this name, in lower case."""
        return [value for key, value in self.headers if key == name]


class RtspWire:
    """One direction of a connection. `feed` returns messages, and packets as received: `$`, channel, length, bytes.

    Consecutive packets are returned as one piece of bytes. Other data within a stream is skipped up to the next packet or
    response: some cameras send wrong packet lengths.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped = 0
        self._has_begun = False

    @property
    def has_begun(self) -> bool:
        """Whether a valid message or packet was received."""
        return self._has_begun

    def feed(self, data: bytes) -> list[Message | bytes]:
        """Adds received bytes and returns the messages and packets that they complete.

        Raises:
            NotRtsp: the first bytes are not RTSP, a message is too long, or the stream is no longer RTSP.
        """
        buffer, found = self._buffer, list[Message | bytes]()
        buffer += data
        at = run = 0
        while at < len(buffer):
            if buffer[at] == _DOLLAR:
                if len(buffer) - at < 4:
                    break
                end = at + 4 + (buffer[at + 2] << 8 | buffer[at + 3])
                if end > len(buffer):
                    break
                at, self._has_begun, self._skipped = end, True, 0
                continue
            if run < at:
                found.append(bytes(buffer[run:at]))
            if buffer[at] in b"\r\n":
                at += 1
            elif (looks := self._looks_like_message(at)) is None:
                run = at
                break
            elif not looks:
                at = self._skip(at)
            else:
                message, at = self._message(at)
                if message is None:
                    run = at
                    break
                self._has_begun, self._skipped = True, 0
                found.append(message)
            run = at
        if run < at:
            found.append(bytes(buffer[run:at]))
        del buffer[:at]
        return found

    def _looks_like_message(self, at: int) -> bool | None:
        """Returns whether a message starts at `at`; None: more data is needed."""
        line = bytes(self._buffer[at : at + _LONGEST_METHOD + 4200])
        if _START.match(line):
            return True
        if b"\n" in line or len(line) > _LONGEST_METHOD + 4100:
            return False
        # An incomplete start line: letters of a method and what follows, or a part of "RTSP/1.0 200".
        return (
            None
            if re.fullmatch(rb"[A-Z_]{1,20}( \S*( R?T?S?P?/?[\d.]*)?)?|RTSP/[\d.]*( \d*)?", line)
            else False
        )

    def _skip(self, at: int) -> int:
        """Returns where the next packet or response may start; the data before it is dropped."""
        if not self._has_begun:
            raise NotRtsp(bytes(self._buffer[at : at + 16]), "it does not speak RTSP")
        places = [place for mark in (b"$", b"RTSP/") if (place := self._buffer.find(mark, at + 1)) >= 0]
        found = min(places, default=len(self._buffer))
        self._skipped += found - at
        if self._skipped > SKIP_LIMIT_BYTES:
            raise NotRtsp(b"", "what it sends is no RTSP any more")
        return found

    def _message(self, at: int) -> tuple[Message | None, int]:
        """Returns the message at `at` and its end; None if it is incomplete."""
        end = _END_OF_HEAD.search(self._buffer, at, at + HEAD_LIMIT_BYTES)
        if end is None:
            if len(self._buffer) - at >= HEAD_LIMIT_BYTES:
                raise NotRtsp(b"", "the head of a message is too long")
            return None, at
        lines = bytes(self._buffer[at : end.start()]).decode("latin-1").split("\n")
        pairs = (line.partition(":") for line in lines[1:])
        headers = tuple((name.strip().lower(), value.strip()) for name, colon, value in pairs if colon)
        message = Message(lines[0].strip(), headers)
        length = message.header("content-length") or "0"
        if not (
            length.isascii() and length.isdigit() and len(length) < 8 and int(length) <= BODY_LIMIT_BYTES
        ):
            raise NotRtsp(b"", "the body of a message is too long")
        stop = end.end() + int(length)
        if stop > len(self._buffer):
            return None, at
        return Message(message.start, headers, bytes(self._buffer[end.end() : stop])), stop
