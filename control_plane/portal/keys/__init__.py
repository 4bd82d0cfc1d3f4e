"""The portal's area of encryption keys."""
