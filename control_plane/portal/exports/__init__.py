"""Exports: the form of a class, the list with progress, and downloads."""
