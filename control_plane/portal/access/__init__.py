"""The portal's area of roles, grants and denials."""
