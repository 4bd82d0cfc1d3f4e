"""Signed self-update: installs a newer release, and rolls back if the control plane does not hear from it.

Two halves that do not trust each other. The agent (`updater`) finds a signed `release`, downloads it, and requests it when
no class is near. A root-owned program (`verify`) verifies everything again; `install` changes the package, waits for the
first heartbeat that is answered, and otherwise restores the old package. `handover` defines the files that both halves
read and write. `install` and its imports need the standard library alone: they are copied aside before the package changes.
"""
