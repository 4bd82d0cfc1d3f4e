"""The portal's area of clips."""
