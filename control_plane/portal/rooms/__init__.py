"""The portal's area of rooms and recording."""
