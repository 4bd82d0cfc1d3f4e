"""Playback of a class: timeline, playlist, key and bytes, each authorised for one viewer at each request."""
