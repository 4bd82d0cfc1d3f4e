"""Rules of the repository that a machine can check: what may be tracked, named, locked and linked."""
