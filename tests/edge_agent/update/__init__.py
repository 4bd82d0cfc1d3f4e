"""Updates of the agent: real packages, real signatures, a power cut at every step."""
