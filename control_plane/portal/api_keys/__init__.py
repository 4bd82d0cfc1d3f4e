"""The portal's area of API keys."""
