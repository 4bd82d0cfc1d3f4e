"""Playback of a class: timeline, playlist, key and bytes; each request is authorized for its viewer."""
