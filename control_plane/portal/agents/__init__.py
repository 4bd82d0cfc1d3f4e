"""The portal's area of agents and pairing."""
