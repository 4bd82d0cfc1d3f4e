"""Footage that leaves the studio: egress policy and its checks, share links, clips."""
