"""Small pure tools that both sides need: time, back-off, redaction, logs. No I/O beyond the clock, the log
stream and the one poll of `loopback`."""
