"""Prefix of the addresses of a studio's pages."""

STUDIO = "studio/<slug:slug>"
