"""What `nox -s bench` measures, side by side with public peers, on this machine and in one run.

Medians of several windows, never best cases; figures depend on the machine, ratios less so.
"""
