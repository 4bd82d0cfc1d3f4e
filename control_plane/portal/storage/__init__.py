"""The portal's area of storage and usage."""
