"""What takes too long for every run: `python -m tests.faults`."""
