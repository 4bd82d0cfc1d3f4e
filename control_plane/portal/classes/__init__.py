"""The portal's area of classes and rosters."""
