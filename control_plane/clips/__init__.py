"""Clips: parts of classes with a title, dancers, a date and a key of their own. No bytes are copied."""
