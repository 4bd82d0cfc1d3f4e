"""Small pure tools that both sides need: time, back-off, redaction, logs, folders. No I/O beyond the clock, the log
stream, the environment and the one poll of `loopback`."""
