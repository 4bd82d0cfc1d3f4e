"""Updates of the box: real packages, real signatures, a power cut at every step."""
