"""Small pure tools that both sides need: time, back-off, redaction, logs. No I/O beyond the clock and the log stream."""
