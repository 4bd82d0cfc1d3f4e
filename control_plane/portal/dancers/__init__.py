"""The portal's area of dancers and guardians."""
