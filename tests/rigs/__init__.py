"""Real servers and fault tools that tests and benchmarks start on loopback and stop again."""
