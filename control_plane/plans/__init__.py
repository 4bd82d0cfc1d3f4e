"""Plans of studios: what a studio may have at once (quotas), and what its people may do within an hour (rate limits)."""
