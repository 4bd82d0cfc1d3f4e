"""Exports: footage that leaves the studio as files, made by a job and downloaded by the person who asked for them."""
