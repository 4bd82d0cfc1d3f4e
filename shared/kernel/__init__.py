"""Small tools of both sides: time, back-off, redaction, logs, folders. Their only I/O is the clock, the log stream, the
environment and the poll of `loopback`."""
