"""The portal's area of the platform operator's pages and break-glass access."""
