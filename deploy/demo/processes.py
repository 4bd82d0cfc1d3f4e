"""The programs of the demo: started, watched and stopped; some of them answer requests of JSON lines."""

import json
import os
import selectors
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.demo.errors import DemoError, tail
from launcher.child_process import ChildProcess


class DemoProcess:
    """One running program of the demo, with its output in a log file. `ChildProcess` binds its life to ours."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        has_pipes: bool = False,
        nice: int = 0,
    ) -> None:
        """Starts the program.

        Args:
            name: Its name on screen.
            command: The program and its arguments.
            log: The file for its output; an existing one is replaced.
            environment: Variables in addition to our own.
            has_pipes: Whether `ask` and `read_line` use its input and output; only its errors then go to the log.
            nice: How much its scheduling priority is lowered.
        """
        self.name = name
        self.log = log
        self._unread = b""
        log.unlink(missing_ok=True)
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._child = ChildProcess(name, command, variables, log, has_pipes=has_pipes, nice=nice)
        self._child.spawn()
        assert self._child.process is not None  # noqa: S101
        self._process = self._child.process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Returns its exit code; None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Checks that it runs.

        Raises:
            DemoError: it has exited.
        """
        code = self.exit_code()
        if code is not None:
            raise DemoError(f"{self.name} exited unexpectedly (exit code {code})", log=self.log)

    def last_line(self) -> str:
        """Returns the last line of its log."""
        lines = tail(self.log, 1)
        return lines[0].strip() if lines else ""

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Sends a request as a line of JSON and returns the answer.

        Raises:
            DemoError: it exited, did not answer in time, or answered with an error.
        """
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise DemoError(f"{self.name} exited unexpectedly", log=self.log) from error
        answer = self.read_line(timeout_s, f"the answer to {request.get('do')}")
        if "error" in answer:
            raise DemoError(f"{self.name} refused {request.get('do')}: {answer['error']}", log=self.log)
        return answer

    def read_line(self, timeout_s: float, what: str) -> dict[str, Any]:
        """Returns the next line of its output, parsed as JSON.

        Raises:
            DemoError: it exited, wrote nothing in time, or wrote something else.
        """
        output = self._process.stdout
        assert output is not None  # noqa: S101
        deadline_s = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline_s - time.monotonic())):
                    raise DemoError(
                        f"{self.name}: {what} did not come within {timeout_s:.0f} s", log=self.log
                    )
                received = os.read(output.fileno(), 65_536)
                if not received:
                    raise DemoError(f"{self.name} exited before {what} came", log=self.log)
                self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            read: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise DemoError(f"{self.name} wrote {line[:200]!r} instead of {what}", log=self.log) from error
        return read

    def stop(self, timeout_s: float) -> None:
        """Asks it to exit, and kills it with its descendants after `timeout_s`. Idempotent."""
        self._child.stop(timeout_s)
