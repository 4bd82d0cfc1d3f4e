"""The portal's area of sign-in settings and identity providers."""
