"""The wire and the kernel."""
