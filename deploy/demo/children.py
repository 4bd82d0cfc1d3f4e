"""Programs that the demonstration starts, watches and stops; none outlives it."""

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.demo.errors import DemoError, tail

_PR_SET_PDEATHSIG = 1


class Child:
    """One program, with its output in a log file.

    It is a session of its own: Ctrl-C reaches the demonstration alone, which then stops its programs in their order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        talks: bool = False,
        nice: int = 0,
    ) -> None:
        """Starts the program.

        Args:
            name: What to call it on screen.
            command: The program and its arguments.
            log: Where its output goes; written anew.
            environment: Variables beside our own.
            talks: Its input and output are lines for `ask` and `read_line`; only its errors go to the log.
            nice: How far it stands back behind the others.
        """
        self.name = name
        self.log = log
        self._lines = b""
        parent = os.getpid()

        def settle() -> None:
            os.nice(nice)
            if sys.platform == "linux":
                # However this program ends, the kernel tells its children to end as well.
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
                if os.getppid() != parent:
                    os.kill(os.getpid(), signal.SIGTERM)

        with log.open("wb") as file:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else file,
                stderr=file,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                start_new_session=True,
                preexec_fn=settle,  # nothing of ours runs in threads when a child is started
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ended(self) -> int | None:
        """Returns its exit code; None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Returns while it runs.

        Raises:
            DemoError: it has ended.
        """
        code = self.ended()
        if code is not None:
            raise DemoError(f"{self.name} ended unasked (exit code {code})", log=self.log)

    def last_line(self) -> str:
        """Returns the last line of its log."""
        lines = tail(self.log, 1)
        return lines[0].strip() if lines else ""

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Sends one line of JSON and returns the answer's.

        Raises:
            DemoError: it ended, did not answer in time, or answered with an error.
        """
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise DemoError(f"{self.name} ended unasked", log=self.log) from error
        answer = self.read_line(timeout_s, f"the answer to {request.get('do')}")
        if "error" in answer:
            raise DemoError(f"{self.name} refused {request.get('do')}: {answer['error']}", log=self.log)
        return answer

    def read_line(self, timeout_s: float, what: str) -> dict[str, Any]:
        """Returns the next line of its output, which is JSON.

        Raises:
            DemoError: it ended, did not write in time, or wrote something else.
        """
        output = self._process.stdout
        assert output is not None  # noqa: S101
        deadline_s = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while b"\n" not in self._lines:
                if not selector.select(max(0.0, deadline_s - time.monotonic())):
                    raise DemoError(
                        f"{self.name}: {what} did not come within {timeout_s:.0f} s", log=self.log
                    )
                piece = os.read(output.fileno(), 65_536)
                if not piece:
                    raise DemoError(f"{self.name} ended before {what} came", log=self.log)
                self._lines += piece
        line, _, self._lines = self._lines.partition(b"\n")
        try:
            read: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise DemoError(f"{self.name} wrote {line[:200]!r} instead of {what}", log=self.log) from error
        return read

    def stop(self, timeout_s: float) -> None:
        """Asks it to end, and makes it after `timeout_s`. Doing so twice is harmless."""
        if self._process.stdin:
            self._process.stdin.close()
        if self.ended() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
