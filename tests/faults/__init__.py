"""Trials that take too long for every run: `python -m tests.faults`."""
