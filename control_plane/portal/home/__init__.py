"""The portal's area of the home page and the list of studios."""
