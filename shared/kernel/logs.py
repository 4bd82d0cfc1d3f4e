"""Structured logs: a constant message with values, as JSON lines or as readable text; all of it redacted."""

import json
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from shared.kernel.redact import redact_log

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


def _values(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and the record's own values."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the redacted line."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": redact_log(record.getMessage()),
        }
        line.update(
            {
                key: redact_log(str(value)) if not isinstance(value, int | float | bool | None) else value
                for key, value in _values(record).items()
            }
        )
        if record.exc_info:
            line["exception"] = redact_log(self.formatException(record.exc_info))
        return _writable(json.dumps(line, ensure_ascii=False))


class TextFormatter(logging.Formatter):
    """One readable line: time, level, logger, message, `key=value` pairs."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the redacted line."""
        moment = time.strftime("%H:%M:%S", time.localtime(record.created)) + f".{int(record.msecs):03d}"
        pairs = " ".join(f"{key}={value}" for key, value in _values(record).items())
        text = f"{moment} {record.levelname:<7} {record.name}: {record.getMessage()} {pairs}".rstrip()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return _writable(redact_log(text))


def _writable(text: str) -> str:
    """Returns `text` with lone surrogates escaped: a file cannot hold them, and the line would be lost."""
    return text.encode("utf-8", "backslashreplace").decode()


class Flood(logging.Filter):
    """Passes at most `most` records of one logger, level and HTTP status in `window_s`; the next record counts the others.

    Logs that strangers cause (a line for each bad request) must not fill the disk. Called under the handler's lock.
    """

    def __init__(self, *, most: int = 50, window_s: float = 10.0) -> None:
        super().__init__()
        self._most = most
        self._window_s = window_s
        self._since: dict[tuple[str, int, Any], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether the record passes."""
        key = (record.name, record.levelno, getattr(record, "status_code", None))
        now_s = time.monotonic()
        begun_s, count = self._since.get(key, (now_s, 0))
        if now_s - begun_s >= self._window_s:
            if count > self._most:
                record.left_out = count - self._most
            begun_s, count = now_s, 0
        self._since[key] = (begun_s, count + 1)
        return count < self._most


def configure_logs(
    *,
    json_lines: bool,
    level: str = "INFO",
    stream: TextIO | None = None,
    filters: Sequence[logging.Filter] = (),
) -> None:
    """Writes each log record of the process that passes `filters` to `stream` (standard error by default), redacted.

    Handlers that libraries have added before this call are removed, because they do not redact.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if json_lines else TextFormatter())
    for one in filters:
        handler.addFilter(one)
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and logger.handlers:
            logger.handlers.clear()
            logger.propagate = True
    logging.basicConfig(level=level, handlers=[handler], force=True)


class FailureLog:
    """Logs a repeated failure once, then at most every `every_s` seconds, then "recovered" with the count.

    Used by one task or thread at a time.
    """

    def __init__(self, logger: logging.Logger, message: str, *, every_s: float = 30.0) -> None:
        self._logger = logger
        self._message = message
        self._every_s = every_s
        self._count = 0
        self._said_at_s = 0.0

    def failed(self, **values: Any) -> None:
        """Counts a failure, and logs it when the interval has passed."""
        self._count += 1
        now_s = time.monotonic()
        if self._count == 1 or now_s - self._said_at_s >= self._every_s:
            self._said_at_s = now_s
            self._logger.warning(self._message, extra={**values, "failures": self._count})

    def recovered(self, **values: Any) -> None:
        """Logs the recovery after a failure."""
        if self._count:
            self._logger.info("recovered", extra={**values, "what": self._message, "failures": self._count})
            self._count = 0
