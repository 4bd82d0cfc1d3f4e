"""Plans of studios: quotas, which limit what a studio has, and rate limits, which limit what its people do per hour."""
