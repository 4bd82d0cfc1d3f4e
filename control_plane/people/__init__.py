"""People who are filmed: dancers, and the guardians who answer for them."""
