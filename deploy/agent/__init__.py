"""The box as Debian knows it: the service unit and the package."""
